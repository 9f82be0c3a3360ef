//! Looking again at what is registered.

use super::*;

const INTERVAL: Duration = Duration::from_mins(10);

fn looked_at() -> Value {
    let mut spec = spec();
    spec["interval"] = json!("10m");
    spec
}

/// A hub with a resource that is registered and looked at each ten minutes; what it shows.
fn registered() -> (Hub, proto::Object, Value) {
    let mut hub = Hub::new();
    let plain = object("a", 1, &looked_at());
    hub.changed(plain.clone());
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let status = hub.status();
    let shown = showing(&plain, &status);
    hub.changed(shown.clone());
    assert!(hub.told().is_empty());
    (hub, shown, status)
}

/// What is found when everything is as it was.
fn nothing_new() -> Outcome {
    let mut outcome = success();
    let counts = outcome.counts.as_mut().unwrap();
    (counts.created, counts.unchanged) = (0, 4);
    outcome
}

fn look(hub: &mut Hub, outcome: Outcome) {
    hub.pass(INTERVAL);
    let job = hub.take().expect("a look is due");
    assert_eq!(job.order.occasion, Occasion::Look);
    hub.finish(&job, outcome);
}

#[test]
fn without_an_interval_nothing_is_looked_at_again() {
    let mut hub = Hub::new();
    hub.registered();
    hub.pass(Duration::from_hours(1000));
    assert!(hub.take().is_none());
}

#[test]
fn a_look_that_finds_nothing_new_writes_nothing_and_comes_again() {
    let (mut hub, ..) = registered();
    hub.pass(INTERVAL * 8 / 10);
    assert!(hub.take().is_none());
    for _ in 0..3 {
        look(&mut hub, nothing_new());
        assert!(hub.told().is_empty() && hub.take().is_none());
    }
}

#[test]
fn a_look_shows_no_progress() {
    let (mut hub, ..) = registered();
    hub.pass(INTERVAL);
    let job = hub.take().unwrap();
    for progress in [
        Progress::Fetching,
        Progress::Registering(Package::default()),
    ] {
        hub.fleet.progress(job.ticket, progress, hub.now);
    }
    hub.pass(Duration::from_secs(10));
    assert!(hub.told().is_empty());
}

#[test]
fn a_tag_that_moved_to_the_same_entities_is_recorded() {
    let (mut hub, plain, before) = registered();
    let mut moved = nothing_new();
    moved.package.as_mut().unwrap().digest = "sha256:2".to_owned();
    look(&mut hub, moved.clone());
    let status = hub.status();
    assert_eq!(conditions(&status), "True/False/False Registered");
    assert_eq!(status["package"]["digest"], "sha256:2");
    assert_eq!(status["counts"]["unchanged"], 4);
    assert_ne!(status["receipt"], before["receipt"]);

    let mut restarted = hub.restarted();
    restarted.changed(showing(&plain, &status));
    assert!(restarted.take().is_none() && restarted.told().is_empty());
    look(&mut restarted, moved);
    assert!(restarted.told().is_empty());
}

#[test]
fn what_flyte_admin_lost_and_got_again_is_told() {
    let (mut hub, ..) = registered();
    look(&mut hub, success());
    let status = hub.status();
    assert_eq!(conditions(&status), "True/False/False Registered");
    assert_eq!(
        status["registration"]["completedAt"],
        "2026-11-21T10:10:00.000Z"
    );
}

#[test]
fn a_tag_that_moved_to_other_content_stalls_until_it_moves_back_even_over_a_restart() {
    let (mut hub, plain, _) = registered();
    look(&mut hub, failure(Reason::VersionConflict));
    let status = hub.status();
    assert_eq!(conditions(&status), "False/False/True VersionConflict");
    assert_eq!(status["conditions"][0]["message"], "because");

    let mut restarted = hub.restarted();
    restarted.changed(showing(&plain, &status));
    assert!(restarted.take().is_none() && restarted.told().is_empty());
    assert_eq!(
        restarted.fleet.census().keys().next().unwrap().1,
        Some(Reason::VersionConflict)
    );
    look(&mut restarted, nothing_new());
    let status = restarted.status();
    assert_eq!(conditions(&status), "True/False/False Registered");
    assert_eq!(status["counts"]["failed"], 0);
}

#[test]
fn a_look_that_fails_leaves_it_ready_says_so_and_is_tried_again_sooner() {
    let (mut hub, plain, _) = registered();
    look(&mut hub, failure(Reason::SourceUnavailable));
    let status = hub.status();
    assert_eq!(conditions(&status), "True/False/False Registered");
    assert_eq!(
        status["conditions"][0]["message"],
        "2 tasks, 1 workflow and 1 launch plan are registered: 4 created, 0 unchanged; \
         looking again: SourceUnavailable: because"
    );
    assert_eq!(status["package"]["digest"], "sha256:1");
    hub.changed(showing(&plain, &status));

    hub.pass(Duration::from_secs(2));
    let job = hub.take().expect("tried again after the first delay");
    hub.finish(&job, failure(Reason::SourceUnavailable));
    assert!(hub.told().is_empty(), "nothing new to tell");

    hub.pass(Duration::from_secs(4));
    let job = hub.take().unwrap();
    hub.finish(&job, nothing_new());
    assert!(
        !hub.status()["conditions"][0]["message"]
            .as_str()
            .unwrap()
            .contains("looking again")
    );
}

#[test]
fn another_active_version_is_told_and_not_changed() {
    let (mut hub, ..) = {
        let mut hub = Hub::new();
        let plain = object("a", 1, &looked_at());
        hub.changed(plain);
        let job = hub.take().unwrap();
        let mut outcome = success();
        outcome.counts.as_mut().unwrap().activated = 1;
        hub.finish(&job, outcome);
        hub.status();
        (hub, ())
    };
    look(&mut hub, nothing_new());
    let status = hub.status();
    assert_eq!(conditions(&status), "True/False/False Registered");
    assert_eq!(status["counts"]["activated"], 0);
}

#[test]
fn a_restarted_hub_spreads_its_looks_over_the_interval() {
    let (hub, shown, _) = registered();
    let mut restarted = hub.restarted();
    for name in ["a", "b", "c"] {
        // Their receipts are bound to the uid: only the first is believed.
        let mut other = shown.clone();
        other.key.as_mut().unwrap().name = name.to_owned();
        restarted.changed(other);
    }
    assert!(restarted.take().is_none(), "no look is due at once");
    restarted.pass(INTERVAL);
    assert!(restarted.take().is_some());
}

#[test]
fn a_policy_that_is_loaded_again_does_not_put_looks_off() {
    let (mut hub, ..) = registered();
    hub.pass(INTERVAL / 2);
    hub.under(policy(&["data-*"], "1"));
    hub.pass(INTERVAL / 2);
    assert!(hub.take().is_some());
    hub.under(policy(&["other"], "1"));
    hub.pass(INTERVAL * 2);
    assert!(hub.take().is_none(), "what is denied is not looked at");
}

#[test]
fn a_policy_that_is_loaded_again_stops_only_the_looks_that_it_changes() {
    let (mut hub, ..) = registered();
    hub.pass(INTERVAL);
    let look = hub.take().unwrap();
    let reload = |hub: &mut Hub, namespaces: &[&str], changed: &Changed| {
        hub.fleet.take_wake();
        hub.fleet
            .replace_policy(policy(namespaces, "1"), changed, hub.now);
        hub.fleet.take_wake().cancelled
    };
    let other = Changed {
        sources: ["other".to_owned()].into(),
        ..Changed::default()
    };
    for changed in [Changed::default(), other] {
        assert_eq!(reload(&mut hub, &["data-*"], &changed), []);
        assert!(hub.take().is_none(), "it goes on");
    }
    let source = Changed {
        sources: ["registry".to_owned()].into(),
        ..Changed::default()
    };
    assert_eq!(reload(&mut hub, &["data-*"], &source), [look.ticket]);
    let look = hub.take().expect("it is begun anew");
    assert_eq!(look.order.occasion, Occasion::Look);
    hub.finish(&look, nothing_new());
    assert!(hub.told().is_empty() && hub.take().is_none());
}

#[test]
fn what_stalled_at_first_is_tried_again_after_the_interval() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &looked_at()));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::PackageInvalid));
    assert_eq!(conditions(&hub.status()), "False/False/True PackageInvalid");
    hub.pass(INTERVAL);
    let job = hub.take().unwrap();
    assert_eq!(job.order.occasion, Occasion::Change);
    hub.finish(&job, success());
    assert_eq!(conditions(&hub.status()), "True/False/False Registered");
}

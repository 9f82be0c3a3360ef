//! Work is begun, shown, repeated and given up.

use super::*;

#[test]
fn a_resource_is_queued_worked_on_and_registered() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    assert_eq!(conditions(&hub.status()), "Unknown/True/False Queued");
    let job = hub.take().unwrap();
    assert_eq!(
        job.order.package.to_string(),
        "oci://registry.example/team/flows:v1"
    );
    assert!(hub.take().is_none());
    hub.pass(Duration::from_millis(1500));
    hub.finish(&job, success());
    insta::assert_json_snapshot!(hub.status(), {".receipt" => "…"});
}

#[test]
fn short_progress_is_not_told_long_progress_is() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &spec());
    hub.changed(plain.clone());
    let queued = hub.status();
    let job = hub.take().unwrap();
    hub.fleet.progress(job.ticket, Progress::Fetching, hub.now);
    assert!(hub.told().is_empty());
    hub.changed(showing(&plain, &queued));
    assert!(
        hub.told().is_empty(),
        "what the agent wrote hastens nothing"
    );
    hub.pass(PROGRESS_WORTH_TELLING);
    assert_eq!(conditions(&hub.status()), "Unknown/True/False Fetching");
}

#[test]
fn transient_failures_are_tried_again_with_backoff() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::FlyteUnavailable));
    let status = hub.status();
    assert_eq!(conditions(&status), "False/True/False FlyteUnavailable");
    assert!(status["registration"]["nextRetryAt"].is_string());
    assert!(hub.take().is_none());
    let due = hub.fleet.next_due().unwrap();
    hub.pass(due - hub.now.instant);
    let job = hub.take().unwrap();
    hub.fleet.progress(job.ticket, Progress::Fetching, hub.now);
    hub.pass(PROGRESS_WORTH_TELLING);
    assert!(
        hub.told().is_empty(),
        "a repetition goes on showing the failure"
    );
    hub.finish(&job, success());
    assert_eq!(hub.status()["registration"]["attempts"], 2);
}

#[test]
fn permanent_failures_are_not_tried_again_until_the_resource_changes() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::PackageInvalid));
    assert_eq!(conditions(&hub.status()), "False/False/True PackageInvalid");
    assert_eq!((hub.take().is_none(), hub.fleet.next_due()), (true, None));
    hub.changed(object("a", 2, &spec()));
    assert!(hub.take().is_some());
}

#[test]
fn transition_times_change_with_the_status_only() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::FlyteUnavailable));
    let first = hub.status();
    hub.pass(Duration::from_mins(1));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::ProjectNotFound));
    let second = hub.status();
    assert_eq!(
        first["conditions"][0]["lastTransitionTime"],
        second["conditions"][0]["lastTransitionTime"]
    );
    hub.pass(Duration::from_mins(1));
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let third = hub.status();
    assert_ne!(
        second["conditions"][0]["lastTransitionTime"],
        third["conditions"][0]["lastTransitionTime"]
    );
    assert_eq!(
        second["conditions"][2]["lastTransitionTime"],
        third["conditions"][2]["lastTransitionTime"]
    );
}

#[test]
fn what_changed_in_the_configuration_is_tried_at_once_and_the_rest_waits() {
    let changed = |sources: &[&str], flyte_admins: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Changed {
            sources: names(sources),
            flyte_admins: names(flyte_admins),
        }
    };
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, failure(Reason::SourceUnauthorized));
    let replace = |hub: &mut Hub, changed: &Changed| {
        let now = hub.now;
        hub.fleet
            .replace_policy(policy(&["data-*"], "1"), changed, now);
    };
    replace(&mut hub, &changed(&["other"], &["other"]));
    assert!(hub.take().is_none(), "it waits for its repetition");
    for changed in [changed(&["registry"], &[]), changed(&[], &["main"])] {
        replace(&mut hub, &changed);
        let job = hub.take().unwrap();
        assert!(hub.take().is_none());
        // Nor does work go on with what the configuration had before.
        replace(&mut hub, &changed);
        assert_eq!(hub.fleet.take_wake().cancelled, [job.ticket]);
        let job = hub.take().unwrap();
        hub.finish(&job, failure(Reason::SourceUnauthorized));
    }
}

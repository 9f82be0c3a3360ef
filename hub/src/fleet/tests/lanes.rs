//! Work that waits for a source or a FlyteAdmin.

use super::*;

/// A hub where two may fetch from a source at a time, and three that want to from another than
/// the usual one.
fn hub() -> Hub {
    let mut hub = Hub::new();
    let settings = Settings {
        max_objects: 10,
        ..settings()
    };
    hub.fleet = Fleet::new(policy(&["data-*"], "1"), settings);
    hub.connect();
    for name in ["a", "b", "c"] {
        hub.changed(object(name, 1, &elsewhere()));
    }
    hub
}

fn elsewhere() -> Value {
    let mut spec = spec();
    spec["workflowPackageUri"] = json!("oci://other.example/flows:v1");
    spec
}

fn names(jobs: &[Job]) -> Vec<&str> {
    jobs.iter()
        .map(|job| job.origin.id.key.name.as_str())
        .collect()
}

fn take_all(hub: &mut Hub) -> Vec<Job> {
    std::iter::from_fn(|| hub.take()).collect()
}

#[test]
fn who_waits_for_one_source_holds_up_no_other() {
    let mut hub = hub();
    hub.changed(object("d", 1, &spec()));
    let jobs = take_all(&mut hub);
    assert_eq!(names(&jobs), ["a", "b", "d"]);
    assert_eq!(hub.fleet.load(), (1, 3));
}

#[test]
fn the_next_one_fetches_once_another_has_its_package_or_ended() {
    let mut hub = hub();
    let jobs = take_all(&mut hub);
    hub.fleet.take_wake();
    let package = Progress::Registering(Package::default());
    hub.fleet.progress(jobs[0].ticket, package, hub.now);
    assert!(hub.fleet.take_wake().work);
    // It waited longer than this one.
    hub.changed(object("0", 1, &elsewhere()));
    assert_eq!(names(&take_all(&mut hub)), ["c"]);
    hub.finish(&jobs[0], success());
    assert!(hub.take().is_none(), "it had its package already");
    hub.finish(&jobs[1], failure(Reason::SourceUnavailable));
    assert_eq!(names(&take_all(&mut hub)), ["0"]);
}

#[test]
fn who_is_gone_waits_for_nothing_and_leaves_room() {
    let mut hub = hub();
    let jobs = take_all(&mut hub);
    let gone = |name: &str| {
        let key = Key {
            namespace: "data-a".to_owned(),
            name: name.to_owned(),
        };
        Up::Gone(key, format!("uid-{name}"))
    };
    hub.say(gone("c"));
    hub.say(gone("a"));
    assert!(hub.take().is_none());
    hub.changed(object("e", 1, &elsewhere()));
    assert_eq!(names(&take_all(&mut hub)), ["e"]);
    assert_eq!(hub.fleet.load(), (0, 2));
    drop(jobs);
}

#[test]
fn newcomers_take_their_turn_among_those_who_wait() {
    let mut hub = hub();
    for name in ["d", "e"] {
        hub.changed(object(name, 1, &elsewhere()));
    }
    let jobs = take_all(&mut hub);
    let mut newcomer = object("n", 1, &elsewhere());
    newcomer.key.as_mut().unwrap().namespace = "data-b".to_owned();
    hub.changed(newcomer);
    for job in &jobs {
        hub.finish(job, success());
    }
    assert_eq!(names(&take_all(&mut hub)), ["c", "n"]);
}

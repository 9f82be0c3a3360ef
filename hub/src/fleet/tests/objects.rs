//! Objects that change, go and come, or are wrong.

use super::*;

#[test]
fn what_the_policy_does_not_allow_is_denied_ready_or_not() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    hub.told();
    hub.under(policy(&["other"], "1"));
    let status = hub.status();
    assert_eq!(conditions(&status), "False/False/True Denied");
    hub.under(policy(&["data-*"], "1"));
    let status = hub.status();
    assert_eq!(conditions(&status), "True/False/False Registered");
    assert!(hub.take().is_none(), "what was done is still done");
}

#[test]
fn what_was_done_before_it_was_denied_is_not_done_again_by_another_hub() {
    let mut hub = Hub::new();
    let (plain, status) = hub.registered();
    let registered = showing(&plain, &status);
    hub.changed(registered.clone());
    hub.under(policy(&["other"], "1"));
    let denied = hub.status();
    assert_eq!(conditions(&denied), "False/False/True Denied");
    let shown = showing(&registered, &denied);
    // It may stay denied for several lives of the hub.
    let mut next = hub.restarted();
    next.under(policy(&["other"], "1"));
    next.changed(shown.clone());
    assert!(next.told().is_empty());
    next.under(policy(&["data-*"], "1"));
    assert_eq!(conditions(&next.status()), "True/False/False Registered");
    assert!(next.take().is_none());
    // A receipt for another generation proves nothing of this one.
    let mut edited = hub.restarted();
    edited.changed(proto::Object {
        generation: 2,
        ..shown
    });
    assert!(edited.take().is_some());
}

#[test]
fn bad_suspended_and_unsupported_specs_are_told_so() {
    let with = |key: &str, value: Value| {
        let mut spec = spec();
        spec[key] = value;
        spec
    };
    for (spec, expected) in [
        (
            with("workflowVersion", json!("a?b")),
            "False/False/True InvalidSpec",
        ),
        (
            with("workflowProject", json!(7)),
            "False/False/True InvalidSpec",
        ),
        (
            with("somethingNew", json!(true)),
            "False/False/True InvalidSpec",
        ),
        (with("suspend", json!(true)), "False/False/False Suspended"),
        (
            with("deletionPolicy", json!("Deactivate")),
            "False/False/True NotSupported",
        ),
        (
            with("workflowProject", json!("other")),
            "False/False/True Denied",
        ),
    ] {
        let mut hub = Hub::new();
        hub.changed(object("a", 1, &spec));
        assert_eq!(conditions(&hub.status()), expected, "{spec}");
        assert!(hub.take().is_none());
    }
}

#[test]
fn an_oversized_spec_is_told_so() {
    let mut hub = Hub::new();
    hub.changed(proto::Object {
        spec_json: bytes::Bytes::new(),
        oversized_spec_bytes: 300_000,
        ..object("a", 1, &spec())
    });
    let status = hub.status();
    assert!(
        status["conditions"][0]["message"]
            .as_str()
            .unwrap()
            .contains("300000 bytes"),
        "{status}"
    );
}

#[test]
fn work_for_an_older_generation_is_void() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    let mut edited = spec();
    edited["workflowVersion"] = json!("v2");
    hub.changed(object("a", 2, &edited));
    assert_eq!(hub.fleet.take_wake().cancelled, [job.ticket]);
    hub.told();
    hub.finish(&job, success());
    assert!(hub.told().is_empty());
    assert_eq!(hub.take().unwrap().order.target.version, "v2");
}

#[test]
fn a_resource_recreated_under_its_name_is_another() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.told();
    hub.changed(proto::Object {
        uid: "uid-new".to_owned(),
        ..object("a", 1, &spec())
    });
    hub.told();
    hub.finish(&job, success());
    assert!(
        hub.told().is_empty(),
        "the old one's outcome is not the new one's"
    );
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let (told, _) = hub.fleet.tell(EAST, hub.session, 10, hub.now).unwrap();
    assert!(matches!(&told[..], [Told::Status { uid, .. }] if uid == "uid-new"));
}

#[test]
fn deletion_stops_work_and_releases_our_finalizer_once() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.told();
    hub.changed(proto::Object {
        deleting: true,
        finalizer: true,
        generation: 2,
        ..object("a", 1, &spec())
    });
    assert_eq!(hub.fleet.take_wake().cancelled, [job.ticket]);
    assert_eq!(hub.told(), [("a".to_owned(), Value::Null)]);
    assert!(hub.told().is_empty() && hub.take().is_none());
}

#[test]
fn labels_and_statuses_of_others_cause_no_work() {
    let mut hub = Hub::new();
    let (plain, status) = hub.registered();
    hub.changed(proto::Object {
        last_manager: "kubectl-label".to_owned(),
        ..showing(&plain, &status)
    });
    assert!(hub.take().is_none() && hub.told().is_empty());
}

#[test]
fn malformed_objects_are_refused() {
    let nameless = proto::Object {
        key: None,
        ..object("a", 1, &spec())
    };
    let without_uid = proto::Object {
        uid: String::new(),
        ..object("a", 1, &spec())
    };
    let long = proto::Object {
        reconcile_requested_at: "x".repeat(2000),
        ..object("a", 1, &spec())
    };
    for malformed in [nameless, without_uid, long] {
        assert!(Observed::from_proto(malformed).is_err());
    }
}

//! Launch plans: what they are given, and which are activated.

use super::*;
use crate::{
    package::{Activation, Options},
    registrar::Activated,
};

fn with(field: &str, value: Value) -> Value {
    let mut spec = spec();
    spec[field] = value;
    spec
}

#[test]
fn a_job_says_what_launch_plans_get_and_which_are_activated() {
    for (plans, activation) in [
        (json!({}), Activation::None),
        (json!({"activate": "None"}), Activation::None),
        (json!({"activate": "Scheduled"}), Activation::Scheduled),
        (json!({"activate": "All"}), Activation::All),
        (
            json!({"activate": "Named", "names": ["b", "a", "b"]}),
            Activation::Named(["a".to_owned(), "b".to_owned()].into()),
        ),
    ] {
        let mut hub = Hub::new();
        let mut spec = with("launchPlans", plans);
        spec["serviceAccount"] = json!("etl-runner");
        hub.changed(object("a", 1, &spec));
        let order = hub.take().unwrap().order;
        assert_eq!(order.activation, activation);
        let options = Options {
            service_account: Some("etl-runner".to_owned()),
            ..Options::default()
        };
        assert_eq!(order.options, options);
    }
}

#[test]
fn what_the_tenant_does_not_allow_is_denied() {
    for (field, value, message) in [
        (
            "serviceAccount",
            "root",
            "namespace data-a may not use the service account root",
        ),
        (
            "iamRole",
            "admin",
            "namespace data-a may not use the IAM role admin",
        ),
        (
            "rawOutputDataPrefix",
            "s3://b/p",
            "namespace data-a may not put raw output into s3://b/p",
        ),
    ] {
        let mut hub = Hub::new();
        hub.changed(object("a", 1, &with(field, json!(value))));
        assert!(hub.take().is_none());
        let status = hub.status();
        assert_eq!(conditions(&status), "False/False/True Denied");
        assert_eq!(status["conditions"][0]["message"], message);
    }
}

fn activated(many: usize) -> Outcome {
    let mut outcome = success();
    let counts = outcome.counts.as_mut().unwrap();
    counts.activated = u32::try_from(many).unwrap();
    outcome.activations = (0..many)
        .map(|index| Activated {
            name: format!("etl.flows.launch_plan_{index}"),
            before: Some("v0".to_owned()),
        })
        .collect();
    outcome
}

/// The payload of the receipt that `hub` believes.
fn payload(hub: &Hub, object: &proto::Object) -> receipt::Payload {
    let (_, observed) = Observed::from_proto(object.clone()).unwrap();
    let policy = policy(&["data-*"], "1");
    let subject = observed.subject(&hub.cluster);
    policy.receipts.verify(subject, &observed.receipt).unwrap()
}

#[test]
fn what_was_activated_is_in_the_receipt_and_not_done_again() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &with("launchPlans", json!({"activate": "All"})));
    hub.changed(plain.clone());
    let job = hub.take().unwrap();
    hub.finish(&job, activated(1));
    let status = hub.status();
    assert_eq!(
        status["conditions"][0]["message"],
        "2 tasks, 1 workflow and 1 launch plan are registered: 4 created, 0 unchanged, 1 activated"
    );
    let shown = showing(&plain, &status);
    let expected = activated(1).activations;
    assert_eq!(payload(&hub, &shown).activations, expected);

    let mut restarted = hub.restarted();
    restarted.changed(shown.clone());
    assert!(restarted.take().is_none());
    // Tampered with, it is made anew from the receipt, which still holds them.
    let mut restarted = hub.restarted();
    restarted.changed(proto::Object {
        status_hash: vec![9; 32].into(),
        ..shown.clone()
    });
    let again = showing(&plain, &restarted.status());
    assert_eq!(payload(&restarted, &again).activations, expected);
    // Asked to look again, it activates again.
    restarted.changed(proto::Object {
        reconcile_requested_at: "now".to_owned(),
        ..again
    });
    let order = restarted.take().unwrap().order;
    assert_eq!(order.activation, Activation::All);
}

#[test]
fn a_receipt_holds_as_many_activations_as_fit() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &spec());
    hub.changed(plain.clone());
    let job = hub.take().unwrap();
    hub.finish(&job, activated(200));
    let shown = showing(&plain, &hub.status());
    let payload = payload(&hub, &shown);
    assert_eq!(payload.counts.activated, 200);
    let recorded = payload.activations.len();
    assert!((20..100).contains(&recorded), "{recorded}");
    assert!(shown.receipt.len() < 4096);
}

//! What counts as done.

use super::*;

#[test]
fn a_receipt_survives_the_hub_and_a_forged_one_is_not_believed() {
    let mut hub = Hub::new();
    let (plain, status) = hub.registered();
    let shown = showing(&plain, &status);

    let mut restarted = hub.restarted();
    restarted.changed(shown.clone());
    assert!(restarted.take().is_none() && restarted.told().is_empty());

    // The same status without the receipt, or on another resource or generation, is display only.
    for forged in [
        proto::Object {
            receipt: String::new(),
            ..shown.clone()
        },
        proto::Object {
            uid: "other".to_owned(),
            ..shown.clone()
        },
        proto::Object {
            generation: 2,
            ..shown.clone()
        },
        proto::Object {
            spec_json: spec().to_string().replace("v1", "v2").into(),
            ..shown.clone()
        },
    ] {
        let mut restarted = hub.restarted();
        restarted.changed(forged);
        assert!(restarted.take().is_some());
    }
}

#[test]
fn a_tampered_status_is_written_again_without_any_work() {
    let mut hub = Hub::new();
    let (plain, status) = hub.registered();
    let tampered = proto::Object {
        status_hash: vec![9; 32].into(),
        ..showing(&plain, &status)
    };

    hub.changed(tampered.clone());
    assert_eq!(hub.status(), status);

    let mut restarted = hub.restarted();
    restarted.changed(tampered);
    assert!(restarted.take().is_none());
    let again = restarted.status();
    assert_eq!(conditions(&again), "True/False/False Registered");
    assert_eq!(
        (&again["counts"], &again["package"]),
        (&status["counts"], &status["package"])
    );
    // And what was written from the receipt is believed by the next one.
    let mut next = hub.restarted();
    next.changed(showing(&plain, &again));
    assert!(next.take().is_none() && next.told().is_empty());
}

#[test]
fn another_epoch_of_flyteadmin_voids_receipts() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    hub.under(policy(&["data-*"], "2"));
    assert_eq!(hub.take().unwrap().order.epoch, "2");
}

#[test]
fn a_new_reconcile_request_looks_again() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &spec());
    hub.changed(plain.clone());
    let job = hub.take().unwrap();
    hub.finish(&job, success());
    let asked = proto::Object {
        reconcile_requested_at: "now".to_owned(),
        ..showing(&plain, &hub.status())
    };
    hub.changed(asked.clone());
    let job = hub.take().unwrap();
    assert_eq!(job.order.occasion, Occasion::Request);
    hub.finish(&job, success());
    let status = hub.told().pop().unwrap().1;
    assert_eq!(status["lastHandledReconcileAt"], "now");
    let mut restarted = hub.restarted();
    restarted.changed(showing(&asked, &status));
    assert!(restarted.take().is_none());
}

#[test]
fn a_receipt_that_somebody_took_away_or_put_there_is_set_right() {
    let mut hub = Hub::new();
    let (plain, status) = hub.registered();
    let shown = showing(&plain, &status);
    hub.changed(shown.clone());
    assert!(hub.told().is_empty());
    hub.changed(proto::Object {
        receipt: String::new(),
        ..shown.clone()
    });
    assert_eq!(hub.status(), status);

    let mut denied = spec();
    denied["workflowProject"] = json!("other");
    let plain = object("b", 1, &denied);
    hub.changed(plain.clone());
    let status = hub.told().pop().unwrap().1;
    let honest = showing(&plain, &status);
    hub.changed(proto::Object {
        receipt: shown.receipt,
        ..honest
    });
    assert_eq!(hub.told().pop().unwrap().1, status);
}

#[test]
fn a_status_that_the_agent_wrote_is_not_told_again() {
    let mut hub = Hub::new();
    let (plain, status) = hub.registered();
    hub.say(Up::Written {
        key: Key {
            namespace: "data-a".to_owned(),
            name: "a".to_owned(),
        },
        uid: plain.uid.clone(),
        generation: 1,
        hash: canonical::status_hash(Some(&status)),
    });
    hub.changed(showing(&plain, &status));
    assert!(hub.told().is_empty());
}

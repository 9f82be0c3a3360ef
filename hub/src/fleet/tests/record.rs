//! Refusals are told once they are on record.

use super::*;

fn denied() -> Value {
    let mut spec = spec();
    spec["workflowProject"] = json!("other");
    spec
}

fn unrecorded(hub: &Hub) -> Vec<Ticket> {
    let refusals = hub.fleet.unrecorded(10);
    refusals.iter().map(|refusal| refusal.ticket).collect()
}

#[test]
fn a_refusal_is_told_once_it_is_on_record() {
    let mut hub = Hub::new();
    let mut object = object("a", 1, &denied());
    object.last_manager = "kubectl".to_owned();
    hub.changed(object);
    assert!(hub.fleet.take_wake().refusals);
    assert_eq!(hub.told_before_records(), []);
    let unrecorded = hub.fleet.unrecorded(10);
    let [refused] = unrecorded.as_slice() else {
        panic!("{unrecorded:?}");
    };
    assert_eq!(refused.origin.last_manager, "kubectl");
    assert_eq!(refused.refusal.rule.as_deref(), Some("tenants.t.projects"));
    assert_eq!(refused.wanted.as_ref().unwrap().project, "other");

    hub.record();
    assert_eq!(conditions(&hub.status()), "False/False/True Denied");
    assert!(hub.fleet.unrecorded(10).is_empty());
}

#[test]
fn what_cannot_be_put_on_record_says_so_and_is_told_later() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &denied()));
    for _ in 0..2 {
        hub.fleet
            .unrecordable(&unrecorded(&hub), "no room", hub.now);
    }
    let told = hub.told_before_records();
    assert_eq!(conditions(&told[0].1), "False/True/False AuditUnavailable");
    assert_eq!(conditions(&hub.status()), "False/False/True Denied");
}

#[test]
fn a_refusal_that_does_not_count_any_more_is_not_told() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &denied()));
    let tickets = unrecorded(&hub);
    hub.changed(object("a", 2, &spec()));
    hub.fleet.recorded(&tickets, hub.now);
    assert!(hub.fleet.unrecorded(10).is_empty());
    assert_eq!(conditions(&hub.status()), "Unknown/True/False Queued");
    assert!(hub.take().is_some());

    hub.changed(object("b", 1, &denied()));
    hub.say(Up::Gone(
        Key {
            namespace: "data-a".to_owned(),
            name: "b".to_owned(),
        },
        "uid-b".to_owned(),
    ));
    assert!(hub.fleet.unrecorded(10).is_empty());
}

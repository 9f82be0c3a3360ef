//! What the hub says.

use super::*;

#[test]
fn messages_of_the_hub_are_told_apart() {
    let mut world = World::new();
    let now = world.now;
    let mut receive = |kind| world.session.receive(proto::HubMessage { kind }, now);
    let status = proto::Status {
        uid: "u".to_owned(),
        ..proto::Status::default()
    };
    assert_eq!(
        receive(Some(hub_message::Kind::Status(status.clone()))),
        Ok(Incoming::Status(status))
    );
    let drain = proto::Drain {
        reason: "going".to_owned(),
    };
    assert_eq!(
        receive(Some(hub_message::Kind::Drain(drain))),
        Ok(Incoming::Drain("going".to_owned()))
    );
    assert_eq!(receive(None), Ok(Incoming::Nothing));
    assert!(matches!(
        receive(Some(hub_message::Kind::Welcome(welcome()))),
        Err(Ended::Malformed(_))
    ));
    let refusal = proto::Refusal {
        reason: refusal::Reason::Superseded.into(),
        message: "x".repeat(5000),
    };
    let Err(ended) = receive(Some(hub_message::Kind::Refusal(refusal))) else {
        panic!()
    };
    assert!(!ended.is_lasting() && ended.to_string().len() < 1200);
}

#[test]
fn what_somebody_has_to_mend_is_told_and_what_only_that_mends_is_tried_seldom() {
    use refusal::Reason::{
        ClusterMismatch, Malformed, Overloaded, Protocol, Superseded, Unauthenticated,
    };
    for (reason, is_refusal, is_lasting) in [
        (ClusterMismatch, true, true),
        (Malformed, true, true),
        (Protocol, true, true),
        (Unauthenticated, true, false),
        (Superseded, false, false),
        (Overloaded, false, false),
    ] {
        let ended = Ended::Refused(reason, String::new());
        assert_eq!(
            (ended.is_refusal(), ended.is_lasting()),
            (is_refusal, is_lasting),
            "{reason:?}"
        );
    }
    assert!(!Ended::Silent.is_refusal());
}

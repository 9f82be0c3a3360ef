//! The index's words as messages of the stream.

use flyte_registration_proto::hub::v1::{
    Drain, FinalizerRelease, Heartbeat, HubMessage, ObjectKey, Refusal, Status, Welcome,
    hub_message::Kind, refusal::Reason,
};

use crate::fleet::{Key, Refused, Told};

pub(super) fn told(told: Told) -> HubMessage {
    let kind = match told {
        Told::Status {
            key,
            uid,
            generation,
            json,
        } => Kind::Status(Status {
            key: Some(object_key(key)),
            uid,
            generation,
            status_json: json,
        }),
        Told::Release { key, uid } => Kind::FinalizerRelease(FinalizerRelease {
            key: Some(object_key(key)),
            uid,
        }),
    };
    HubMessage { kind: Some(kind) }
}

pub(super) fn welcome(welcome: Welcome) -> HubMessage {
    HubMessage {
        kind: Some(Kind::Welcome(welcome)),
    }
}

pub(super) fn heartbeat() -> HubMessage {
    HubMessage {
        kind: Some(Kind::Heartbeat(Heartbeat {})),
    }
}

pub(super) fn drain(reason: &str) -> HubMessage {
    HubMessage {
        kind: Some(Kind::Drain(Drain {
            reason: reason.to_owned(),
        })),
    }
}

pub(super) fn refusal(reason: Reason, message: String) -> HubMessage {
    HubMessage {
        kind: Some(Kind::Refusal(Refusal {
            reason: reason.into(),
            message,
        })),
    }
}

pub(super) fn refused(refused: Refused) -> HubMessage {
    let reason = match refused {
        Refused::OutOfScope => Reason::Malformed,
        Refused::Superseded => Reason::Superseded,
        Refused::TooManyObjects => Reason::Overloaded,
    };
    refusal(reason, refused.to_string())
}

fn object_key(key: Key) -> ObjectKey {
    ObjectKey {
        namespace: key.namespace,
        name: key.name,
    }
}

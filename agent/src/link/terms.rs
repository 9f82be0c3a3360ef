//! What the hub's Welcome settles for a session.

use std::{ops::RangeInclusive, time::Duration};

use flyte_registration_proto::{hub::PROTOCOL_VERSIONS, hub::v1 as proto};
use prost::Message as _;

use super::Ended;

/// Limits and timers where the hub gives none.
const MESSAGE_DEFAULT: usize = 4 * 1024 * 1024;
const CHUNK_DEFAULT: usize = 1024 * 1024;
const SPEC_DEFAULT: usize = 256 * 1024;
const HEARTBEAT_DEFAULT: u32 = 20;
const GONE_DEFAULT: u32 = 60;
/// However little the hub says it takes, an object without its spec must fit.
const MESSAGE_MIN: usize = 256 * 1024;
/// However long the hub says, a dead session is noticed within the hour.
const SECONDS: RangeInclusive<u32> = 1..=3600;
/// Room for what surrounds an object in a message.
const ENVELOPE: usize = 64;

/// What the hub's Welcome settles for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Name of the session, for the logs of both sides.
    pub session: String,
    /// A heartbeat is sent when nothing else was sent for this long.
    pub heartbeat: Duration,
    /// The session is over when nothing was received for this long.
    pub gone: Duration,
    /// Largest message, in bytes.
    pub message: usize,
    /// Largest chunk of a snapshot, in bytes.
    pub chunk: usize,
    /// Largest spec, in bytes.
    pub spec: usize,
}

impl Terms {
    /// Reads the first message of the hub.
    pub fn agree(first: proto::HubMessage) -> Result<Self, Ended> {
        match first.kind {
            Some(proto::hub_message::Kind::Welcome(welcome)) => Self::of(welcome),
            Some(proto::hub_message::Kind::Refusal(refusal)) => Err(Ended::refused(&refusal)),
            _ => Err(Ended::Malformed(
                "the hub's first message is neither Welcome nor Refusal",
            )),
        }
    }

    fn of(welcome: proto::Welcome) -> Result<Self, Ended> {
        if !PROTOCOL_VERSIONS.contains(&welcome.protocol) {
            return Err(Ended::Malformed(
                "the hub chose a protocol that was not offered",
            ));
        }
        let limits = welcome.limits.unwrap_or_default();
        let message = size(limits.max_message_bytes, MESSAGE_DEFAULT).max(MESSAGE_MIN);
        let heartbeat = seconds(welcome.heartbeat_seconds, HEARTBEAT_DEFAULT);
        Ok(Self {
            session: welcome.session,
            heartbeat,
            gone: seconds(welcome.gone_seconds, GONE_DEFAULT).max(heartbeat * 2),
            message,
            chunk: size(limits.max_chunk_bytes, CHUNK_DEFAULT).min(message),
            spec: size(limits.max_spec_bytes, SPEC_DEFAULT),
        })
    }

    /// `object` as it may be sent: one that is too large goes without its spec, which the
    /// hub then says in the object's status.
    pub fn fitted(&self, mut object: proto::Object) -> proto::Object {
        if object.spec_json.len() > self.spec || object.encoded_len() + ENVELOPE > self.message {
            object.oversized_spec_bytes = u32::try_from(object.spec_json.len()).unwrap_or(u32::MAX);
            object.spec_json.clear();
        }
        object
    }
}

fn size(given: u32, default: usize) -> usize {
    match usize::try_from(given) {
        Ok(0) | Err(_) => default,
        Ok(given) => given,
    }
}

fn seconds(given: u32, default: u32) -> Duration {
    let seconds = if given == 0 { default } else { given };
    Duration::from_secs(seconds.clamp(*SECONDS.start(), *SECONDS.end()).into())
}

#[cfg(test)]
pub(crate) mod tests {
    use flyte_registration_proto::hub::v1::{hub_message::Kind, refusal::Reason};

    use super::*;

    /// A Welcome with small limits.
    pub(crate) fn welcome() -> proto::Welcome {
        proto::Welcome {
            protocol: 1,
            session: "s".to_owned(),
            heartbeat_seconds: 20,
            gone_seconds: 60,
            limits: Some(proto::Limits {
                max_message_bytes: 300_000,
                max_chunk_bytes: 1_000,
                max_spec_bytes: 500,
            }),
        }
    }

    fn agree(kind: Kind) -> Result<Terms, Ended> {
        Terms::agree(proto::HubMessage { kind: Some(kind) })
    }

    #[test]
    fn a_bare_welcome_gets_the_defaults() {
        let welcome = proto::Welcome {
            protocol: 1,
            ..proto::Welcome::default()
        };
        let terms = agree(Kind::Welcome(welcome)).unwrap();
        assert_eq!((terms.heartbeat.as_secs(), terms.gone.as_secs()), (20, 60));
        assert_eq!(
            (terms.message, terms.chunk, terms.spec),
            (MESSAGE_DEFAULT, CHUNK_DEFAULT, SPEC_DEFAULT)
        );
    }

    #[test]
    fn what_the_hub_says_is_taken_within_reason() {
        let terms = agree(Kind::Welcome(welcome())).unwrap();
        assert_eq!(
            (terms.message, terms.chunk, terms.spec),
            (300_000, 1_000, 500)
        );

        let odd = proto::Welcome {
            heartbeat_seconds: 30,
            gone_seconds: 5,
            ..welcome()
        };
        assert_eq!(agree(Kind::Welcome(odd)).unwrap().gone.as_secs(), 60);
        let endless = proto::Welcome {
            gone_seconds: u32::MAX,
            ..welcome()
        };
        assert_eq!(agree(Kind::Welcome(endless)).unwrap().gone.as_secs(), 3600);
    }

    #[test]
    fn anything_else_ends_the_session() {
        let refusal = proto::Refusal {
            reason: Reason::Protocol.into(),
            message: "too old".to_owned(),
        };
        let refused = agree(Kind::Refusal(refusal)).unwrap_err();
        assert_eq!(
            refused,
            Ended::Refused(Reason::Protocol, "too old".to_owned())
        );
        assert!(matches!(
            agree(Kind::Heartbeat(proto::Heartbeat {})),
            Err(Ended::Malformed(_))
        ));
        let other = proto::Welcome {
            protocol: 2,
            ..welcome()
        };
        assert!(matches!(
            agree(Kind::Welcome(other)),
            Err(Ended::Malformed(_))
        ));
    }

    #[test]
    fn a_spec_over_the_limit_stays_behind() {
        let terms = agree(Kind::Welcome(welcome())).unwrap();
        let object = |bytes| proto::Object {
            spec_json: vec![b'x'; bytes].into(),
            ..proto::Object::default()
        };
        assert_eq!(terms.fitted(object(500)), object(500));
        let fitted = terms.fitted(object(501));
        assert_eq!(
            (fitted.spec_json.len(), fitted.oversized_spec_bytes),
            (0, 501)
        );
        let lax = Terms {
            spec: usize::MAX,
            ..terms
        };
        assert_eq!(lax.fitted(object(300_000)).oversized_spec_bytes, 300_000);
    }
}

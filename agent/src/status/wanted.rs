//! A status that the hub wants, against the object as it is now.

use bytes::Bytes;
use flyte_registration_crd::canonical;
use flyte_registration_proto::hub::v1 as proto;
use serde_json::Value;

use crate::watch::Observed;

/// Largest status, in bytes: what etcd takes of a whole object, less some room.
const STATUS_MAX: usize = 1024 * 1024;

/// The hub sent a status that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a status of the hub is not a JSON object of at most {STATUS_MAX} bytes")]
pub struct Malformed;

/// A status that the hub wants for the object of one uid and generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The uid that it is for.
    pub uid: String,
    /// The generation that it is for.
    pub generation: i64,
    /// Its JSON text.
    pub json: Bytes,
    /// Its hash, as `hub.proto` defines it.
    pub hash: Bytes,
    /// Its receipt, which the hash leaves out.
    pub receipt: String,
}

impl Wanted {
    /// Reads a status of the hub.
    pub fn read(status: &proto::Status) -> Result<Self, Malformed> {
        if status.status_json.len() > STATUS_MAX {
            return Err(Malformed);
        }
        let value: Value = serde_json::from_slice(&status.status_json).map_err(|_| Malformed)?;
        if !value.is_object() {
            return Err(Malformed);
        }
        Ok(Self {
            uid: status.uid.clone(),
            generation: status.generation,
            json: status.status_json.clone(),
            hash: canonical::status_hash(Some(&value)).into(),
            receipt: value["receipt"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// The status itself.
    pub fn value(&self) -> Value {
        // It was read before; should that ever fail, an empty status is repaired by the hub.
        serde_json::from_slice(&self.json).unwrap_or_default()
    }
}

/// What to do about a wanted status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write it.
    Write,
    /// Nothing: it is there.
    There,
    /// Nothing, ever: it is for an object or a generation that is no more.
    Stale,
    /// Nothing yet: the watch has not shown the generation that it is for.
    Wait,
}

/// What to do about `wanted`, now that the object is as `observed`.
pub fn decide(observed: Option<&Observed>, wanted: &Wanted) -> Decision {
    let Some(observed) = observed else {
        return Decision::Stale;
    };
    let object = &observed.wire;
    // A deletion is a generation of its own: what was decided before it is stale. Without our
    // finalizer nothing is left to be said about the object.
    let leaving = object.deleting && !object.finalizer;
    if object.uid != wanted.uid || object.generation > wanted.generation || leaving {
        Decision::Stale
    } else if object.generation < wanted.generation {
        Decision::Wait
    } else if object.status_hash == wanted.hash && object.receipt == wanted.receipt {
        Decision::There
    } else {
        Decision::Write
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::watch::object::tests::observed;

    /// A status as the hub would send it.
    pub(crate) fn wanted(uid: &str, generation: i64, status: &Value) -> Wanted {
        Wanted::read(&message(uid, generation, status)).unwrap()
    }

    fn message(uid: &str, generation: i64, status: &Value) -> proto::Status {
        proto::Status {
            key: None,
            uid: uid.to_owned(),
            generation,
            status_json: status.to_string().into(),
        }
    }

    #[test]
    fn only_a_json_object_is_a_status() {
        for bad in [json!([]), json!(null), json!("x")] {
            assert_eq!(Wanted::read(&message("u", 1, &bad)), Err(Malformed));
        }
        assert_eq!(
            Wanted::read(&message("u", 1, &json!({"x": "x".repeat(STATUS_MAX)}))),
            Err(Malformed)
        );
        let cut = proto::Status {
            status_json: "{\"a\":".into(),
            ..proto::Status::default()
        };
        assert_eq!(Wanted::read(&cut), Err(Malformed));
    }

    #[test]
    fn uid_and_generation_fence() {
        let status = json!({"observedGeneration": 2});
        let now = observed("ns", "a", "u", 2, json!({}));
        assert_eq!(
            decide(Some(&now), &wanted("u", 2, &status)),
            Decision::Write
        );
        assert_eq!(
            decide(Some(&now), &wanted("old", 2, &status)),
            Decision::Stale
        );
        assert_eq!(
            decide(Some(&now), &wanted("u", 1, &status)),
            Decision::Stale
        );
        assert_eq!(decide(Some(&now), &wanted("u", 3, &status)), Decision::Wait);
        assert_eq!(decide(None, &wanted("u", 2, &status)), Decision::Stale);
    }

    #[test]
    fn what_is_there_is_not_written_again() {
        let status = json!({"observedGeneration": 2, "receipt": "r"});
        let there = observed("ns", "a", "u", 2, json!({"status": status}));
        assert_eq!(
            decide(Some(&there), &wanted("u", 2, &status)),
            Decision::There
        );
        let signed_anew = json!({"observedGeneration": 2, "receipt": "other"});
        assert_eq!(
            decide(Some(&there), &wanted("u", 2, &signed_anew)),
            Decision::Write
        );
    }

    #[test]
    fn an_object_that_leaves_is_given_no_status() {
        let deleting = json!({"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z"}});
        let leaving = observed("ns", "a", "u", 2, deleting.clone());
        assert_eq!(
            decide(Some(&leaving), &wanted("u", 2, &json!({}))),
            Decision::Stale
        );

        let mut held = deleting;
        held["metadata"]["finalizers"] = json!([flyte_registration_crd::FINALIZER]);
        let held = observed("ns", "a", "u", 2, held);
        assert_eq!(
            decide(Some(&held), &wanted("u", 1, &json!({"a": 1}))),
            Decision::Stale
        );
        assert_eq!(
            decide(Some(&held), &wanted("u", 2, &json!({"a": 1}))),
            Decision::Write
        );
    }
}

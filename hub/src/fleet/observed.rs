//! Objects as the agents see them, checked.

use std::sync::Arc;

use flyte_registration_crd::{FlyteRegistrationSpec, bounded, canonical};
use flyte_registration_proto::hub::v1 as proto;

use crate::tenancy::Labels;

/// Largest spec that is accepted, in bytes. The CRD's own limits stay far below.
pub const SPEC_MAX: usize = 256 * 1024;
/// Kubernetes' limit of names.
const NAME_MAX: usize = 253;
const UID_MAX: usize = 128;
const ANNOTATION_MAX: usize = 1024;
/// Kubernetes' limit of field managers.
const MANAGER_MAX: usize = 128;
/// Largest labels of a namespace, in bytes. No agent of ours relays more.
const LABELS_MAX: usize = 64 * 1024;

/// A resource in its cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A resource of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The cluster, by its verified identity.
    pub cluster: Arc<str>,
    /// The resource in it.
    pub key: Key,
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            self.cluster, self.key.namespace, self.key.name
        )
    }
}

/// A message that no agent of ours sends.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("malformed message: {0}")]
pub struct Malformed(pub &'static str);

/// What a resource wants, and what it shows.
#[derive(Clone, Debug)]
pub struct Observed {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.generation`
    pub generation: i64,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Our finalizer is present.
    pub finalizer: bool,
    /// Value of the annotation that asks for another run.
    pub request: Option<String>,
    /// The labels of its namespace. The same for all of them, and so shared.
    pub labels: Arc<Labels>,
    /// The spec, or what is wrong with it.
    pub spec: Result<Box<FlyteRegistrationSpec>, String>,
    /// sha256 of the spec's canonical JSON.
    pub spec_sha256: [u8; 32],
    /// Hash of the status that it shows; empty for none.
    pub status_hash: Vec<u8>,
    /// `status.receipt`
    pub receipt: String,
    /// The field manager that wrote it last, as its cluster claims.
    pub last_manager: String,
}

impl Observed {
    /// Whether both want the same; what they show does not matter.
    pub fn wants_as(&self, other: &Self) -> bool {
        self.uid == other.uid
            && self.generation == other.generation
            && self.deleting == other.deleting
            && self.finalizer == other.finalizer
            && self.request == other.request
            && self.labels == other.labels
            && self.spec_sha256 == other.spec_sha256
    }

    /// Reads an object of the wire.
    pub fn from_proto(object: proto::Object) -> Result<(Key, Self), Malformed> {
        let key = key(object.key)?;
        if object.uid.is_empty() || object.uid.len() > UID_MAX {
            return Err(Malformed("an object without a uid"));
        }
        if object.reconcile_requested_at.len() > ANNOTATION_MAX {
            return Err(Malformed("an annotation over the limit"));
        }
        let labels = object.namespace_labels.iter();
        let size: usize = labels.map(|(key, value)| key.len() + value.len()).sum();
        if size > LABELS_MAX {
            return Err(Malformed("labels over the limit"));
        }
        let (spec, spec_sha256) = read_spec(&object.spec_json, object.oversized_spec_bytes);
        let observed = Self {
            uid: object.uid,
            generation: object.generation,
            deleting: object.deleting,
            finalizer: object.finalizer,
            request: Some(object.reconcile_requested_at).filter(|request| !request.is_empty()),
            labels: Arc::new(object.namespace_labels.into_iter().collect()),
            spec,
            spec_sha256,
            status_hash: object.status_hash.to_vec(),
            receipt: object.receipt,
            last_manager: bounded(&object.last_manager, MANAGER_MAX),
        };
        Ok((key, observed))
    }
}

/// Reads a key of the wire.
pub fn key(key: Option<proto::ObjectKey>) -> Result<Key, Malformed> {
    let Some(proto::ObjectKey { namespace, name }) = key else {
        return Err(Malformed("an object without a key"));
    };
    if namespace.is_empty()
        || name.is_empty()
        || namespace.len() > NAME_MAX
        || name.len() > NAME_MAX
    {
        return Err(Malformed("an object whose name is empty or over the limit"));
    }
    Ok(Key { namespace, name })
}

fn read_spec(
    json: &[u8],
    oversized: u32,
) -> (Result<Box<FlyteRegistrationSpec>, String>, [u8; 32]) {
    if oversized > 0 || json.len() > SPEC_MAX {
        let size = json
            .len()
            .max(usize::try_from(oversized).unwrap_or(usize::MAX));
        return (
            Err(format!(
                "spec: has {size} bytes, more than the limit of {SPEC_MAX}"
            )),
            [0; 32],
        );
    }
    match serde_json::from_slice::<serde_json::Value>(json) {
        Ok(value) => {
            let sha256 = canonical::sha256(&value);
            (FlyteRegistrationSpec::read(value).map(Box::new), sha256)
        }
        Err(error) => (Err(format!("spec: {error}")), [0; 32]),
    }
}

//! One object, cut down to what the hub and the status writer need.

use bytes::Bytes;
use flyte_registration_crd::{
    FIELD_MANAGER, FINALIZER, RECONCILE_REQUESTED_AT, Reason, bounded, canonical,
};
use flyte_registration_proto::hub::v1 as proto;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::DynamicObject;
use serde_json::Value;

/// Longest receipt that is relayed, in bytes. The hub's are far shorter; a longer one is
/// somebody else's, and as good as none.
const RECEIPT_MAX: usize = 16 * 1024;
/// Longest value of the annotation that asks for another run, in bytes.
const REQUEST_MAX: usize = 256;

/// Names an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The key of `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl From<proto::ObjectKey> for Key {
    fn from(key: proto::ObjectKey) -> Self {
        Self::new(key.namespace, key.name)
    }
}

impl From<&Key> for proto::ObjectKey {
    fn from(key: &Key) -> Self {
        Self {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }
}

/// What the condition `Ready` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Whether it is true.
    pub is_true: bool,
    /// Its reason.
    pub reason: String,
    /// Its message, where the agent itself has something to say: `HubUnreachable`. Empty otherwise.
    pub message: String,
    /// The generation that it was made for.
    pub generation: i64,
}

/// An object as the watch last showed it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Its version in the cluster: what a write must name.
    pub resource_version: String,
    /// What the hub is told, but for the labels of the namespace.
    pub wire: proto::Object,
    /// `spec.deletionPolicy` is `Deactivate`, so that only the hub may let it go. All else
    /// in the spec is the hub's business.
    pub deactivate: bool,
    /// The condition `Ready`, if there is one.
    pub ready: Option<Ready>,
    /// `Stalled` is true for the current generation.
    pub stalled: bool,
}

impl Observed {
    /// Cuts `object` down. `None` where it lacks what every object of an API server has.
    pub fn project(object: DynamicObject) -> Option<Self> {
        let DynamicObject { metadata, data, .. } = object;
        let (spec, status) = (data.get("spec"), data.get("status"));
        let generation = metadata.generation.unwrap_or_default();
        let receipt = text(status, "receipt").filter(|it| it.len() <= RECEIPT_MAX);
        let requested_at = metadata
            .annotations
            .as_ref()
            .and_then(|it| it.get(RECONCILE_REQUESTED_AT));
        let wire = proto::Object {
            last_manager: last_manager(&metadata),
            finalizer: metadata
                .finalizers
                .iter()
                .flatten()
                .any(|it| it == FINALIZER),
            deleting: metadata.deletion_timestamp.is_some(),
            reconcile_requested_at: requested_at
                .map(|it| bounded(it, REQUEST_MAX))
                .unwrap_or_default(),
            key: Some((&Key::new(metadata.namespace?, metadata.name?)).into()),
            uid: metadata.uid?,
            generation,
            spec_json: spec
                .map(|it| Bytes::from(canonical::text(it)))
                .unwrap_or_default(),
            observed_generation: status
                .and_then(|it| it.get("observedGeneration")?.as_i64())
                .unwrap_or_default(),
            status_hash: canonical::status_hash(status).into(),
            receipt: receipt.unwrap_or_default().to_owned(),
            ..proto::Object::default()
        };
        Some(Self {
            resource_version: metadata.resource_version?,
            wire,
            deactivate: text(spec, "deletionPolicy") == Some("Deactivate"),
            ready: condition(status, "Ready").map(ready),
            stalled: condition(status, "Stalled")
                .map(ready)
                .is_some_and(|it| it.is_true && it.generation == generation),
        })
    }

    /// The object's name.
    pub fn key(&self) -> Key {
        self.wire.key.clone().unwrap_or_default().into()
    }

    /// Whether the tenant waits for the hub: the current generation is neither done, nor
    /// failed for good, nor suspended.
    pub fn waits(&self) -> bool {
        let settled = self.ready.as_ref().is_some_and(|ready| {
            ready.generation == self.wire.generation
                && (ready.is_true || ready.reason == "Suspended")
        });
        !settled && !self.stalled && !self.wire.deleting
    }
}

fn text<'a>(value: Option<&'a Value>, field: &str) -> Option<&'a str> {
    value?.get(field)?.as_str()
}

fn condition<'a>(status: Option<&'a Value>, type_: &str) -> Option<&'a Value> {
    let conditions = status?.get("conditions")?.as_array()?;
    conditions.iter().find(|it| it["type"] == type_)
}

fn ready(condition: &Value) -> Ready {
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let reason = text("reason");
    let ours = reason == Reason::HubUnreachable.as_str();
    Ready {
        is_true: condition["status"] == "True",
        message: if ours { text("message") } else { String::new() },
        reason,
        generation: condition["observedGeneration"].as_i64().unwrap_or_default(),
    }
}

/// Who changed the object last, but for us.
fn last_manager(metadata: &ObjectMeta) -> String {
    let managers = metadata.managed_fields.iter().flatten();
    managers
        .filter(|it| it.manager.as_deref() != Some(FIELD_MANAGER))
        .max_by_key(|it| it.time.as_ref().map(|it| it.0))
        .and_then(|it| it.manager.clone())
        .unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests;

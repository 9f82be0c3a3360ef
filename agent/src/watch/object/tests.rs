use serde_json::json;

use super::*;

/// An object as the API server sends it, with the given spec and status.
pub(crate) fn dynamic(
    namespace: &str,
    name: &str,
    uid: &str,
    generation: i64,
    more: Value,
) -> DynamicObject {
    let mut object = json!({
        "apiVersion": "flyte.backend/v1",
        "kind": "FlyteRegistration",
        "metadata": {
            "namespace": namespace, "name": name, "uid": uid, "generation": generation,
            "resourceVersion": format!("{uid}-{generation}"),
        },
        "spec": {"workflowProject": "p"},
    });
    merge(&mut object, more);
    serde_json::from_value(object).unwrap()
}

/// The same, projected.
pub(crate) fn observed(
    namespace: &str,
    name: &str,
    uid: &str,
    generation: i64,
    more: Value,
) -> Observed {
    Observed::project(dynamic(namespace, name, uid, generation, more)).unwrap()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[test]
fn everything_that_the_hub_needs_is_kept() {
    let status = json!({"observedGeneration": 2, "receipt": "r", "counts": {"tasks": 1}});
    let object = observed(
        "ns",
        "name",
        "u",
        3,
        json!({
            "metadata": {
                "deletionTimestamp": "2026-01-02T03:04:05Z",
                "finalizers": ["other/one", "flyte.backend/registration"],
                "annotations": {"flyte.backend/reconcile-requested-at": "now"},
                "managedFields": [
                    {"manager": "kubectl", "operation": "Apply", "time": "2026-01-01T00:00:00Z"},
                    {"manager": "argocd", "operation": "Apply", "time": "2026-01-02T00:00:00Z"},
                    {"manager": "flyte-registration-agent", "operation": "Apply", "time": "2026-01-03T00:00:00Z"},
                ],
            },
            "spec": {"deletionPolicy": "Deactivate", "futureField": [1, {"b": 1, "a": 2}]},
            "status": status,
        }),
    );

    assert_eq!(object.resource_version, "u-3");
    assert!(object.deactivate);
    assert_eq!(object.key(), Key::new("ns", "name"));
    let wire = object.wire;
    assert_eq!(
        (wire.uid.as_str(), wire.generation, wire.observed_generation),
        ("u", 3, 2)
    );
    assert!(wire.deleting && wire.finalizer);
    assert_eq!(wire.reconcile_requested_at, "now");
    assert_eq!(wire.last_manager, "argocd");
    assert_eq!(
        wire.spec_json,
        r#"{"deletionPolicy":"Deactivate","futureField":[1,{"a":2,"b":1}],"workflowProject":"p"}"#
    );
    assert_eq!(wire.receipt, "r");
    assert_eq!(wire.status_hash, canonical::status_hash(Some(&status)));
}

#[test]
fn a_bare_object_has_no_status_hash_and_waits() {
    let object = observed("ns", "name", "u", 1, json!({}));
    assert!(object.wire.status_hash.is_empty());
    assert!(object.waits() && !object.deactivate && object.ready.is_none());
}

#[test]
fn a_receipt_that_cannot_be_the_hubs_is_dropped() {
    let object = observed(
        "ns",
        "name",
        "u",
        1,
        json!({"status": {"receipt": "x".repeat(RECEIPT_MAX + 1)}}),
    );
    assert_eq!(object.wire.receipt, "");
    assert!(!object.wire.status_hash.is_empty());
}

#[test]
fn only_what_is_settled_for_its_generation_does_not_wait() {
    let waits = |conditions: Value| {
        observed(
            "ns",
            "n",
            "u",
            2,
            json!({"status": {"conditions": conditions}}),
        )
        .waits()
    };
    let condition = |type_: &str, status: &str, reason: &str, generation: i64| json!({"type": type_, "status": status, "reason": reason, "observedGeneration": generation});
    assert!(!waits(json!([condition("Ready", "True", "Registered", 2)])));
    assert!(waits(json!([condition("Ready", "True", "Registered", 1)])));
    assert!(waits(json!([condition(
        "Ready",
        "False",
        "PackageNotFound",
        2
    )])));
    assert!(!waits(json!([condition("Ready", "False", "Suspended", 2)])));
    assert!(!waits(json!([
        condition("Ready", "False", "Denied", 2),
        condition("Stalled", "True", "Denied", 2)
    ])));
    assert!(waits(json!([
        condition("Ready", "False", "Denied", 1),
        condition("Stalled", "True", "Denied", 1)
    ])));
    assert!(waits(json!({"not": "a list"})));
}

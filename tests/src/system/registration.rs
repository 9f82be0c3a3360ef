//! Registrations as manifests, and what they show.

use serde_json::{Value, json};

/// The `Ready` condition of a resource.
pub fn ready(resource: &Value) -> &Value {
    let conditions = resource["status"]["conditions"].as_array();
    conditions
        .and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"))
        .unwrap_or(&Value::Null)
}

/// Whether a resource shows `reason`, and for its present generation.
pub fn shows(resource: &Value, reason: &str) -> bool {
    let condition = ready(resource);
    condition["reason"] == reason
        && condition["observedGeneration"] == resource["metadata"]["generation"]
}

/// A registration as a manifest.
pub fn manifest(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "flyte.backend/v1",
        "kind": "FlyteRegistration",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

//! `FlyteRegistration.status`.

use serde::{Deserialize, Serialize};

use crate::Condition;

/// Most entities that a status lists.
pub const ENTITIES_MAX: usize = 100;
/// Longest message, in bytes.
pub const MESSAGE_MAX: usize = 1024;

/// What became of a registration. Written by the agent, decided by the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FlyteRegistrationStatus {
    /// The generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling` and `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))
    )]
    pub conditions: Vec<Condition>,
    /// The package that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// How the registration went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// How many entities there are, and what happened to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// The entities, the failed ones first, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = ENTITIES_MAX)))]
    pub entities: Vec<Entity>,
    /// The value of the annotation `flyte.backend/reconcile-requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// The hub's signature under what it has done. Without a valid one a status is display only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
}

/// The package that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Where it is, with source and version filled in.
    pub uri: String,
    /// Digest of the manifest (OCI) or of the file.
    pub digest: String,
    /// Digest of the archive itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_digest: Option<String>,
    /// Size of the archive in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Where its source code is, as the manifest is annotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The revision of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// How a registration went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// The name of the FlyteAdmin in the hub's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flyte_admin: Option<String>,
    /// When the work on this generation began, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_retry_at: Option<String>,
}

/// Entities by kind, and by what happened to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Tasks of the package.
    pub tasks: u32,
    /// Workflows of the package.
    pub workflows: u32,
    /// Launch plans of the package.
    pub launch_plans: u32,
    /// Entities that were created.
    pub created: u32,
    /// Entities that were there already, identical.
    pub unchanged: u32,
    /// Launch plans that were activated, and still were when they were last looked at.
    pub activated: u32,
    /// Entities that failed.
    pub failed: u32,
}

/// One entity of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Entity {
    /// What it is.
    #[serde(rename = "type")]
    pub type_: EntityType,
    /// Its name in Flyte.
    pub name: String,
    /// Its version in Flyte.
    pub version: String,
    /// What happened to it.
    pub action: EntityAction,
    /// Why it failed, or which version was active before, or is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What Flyte registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EntityType {
    /// A task.
    Task,
    /// A workflow.
    Workflow,
    /// A launch plan.
    LaunchPlan,
}

/// What happened to an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EntityAction {
    /// FlyteAdmin refused it, or could not be reached.
    Failed,
    /// It was not tried, as something that it needs failed.
    Skipped,
    /// It was activated for this resource, and another version, or none, was since.
    Superseded,
    /// It was created.
    Created,
    /// It was there already, identical.
    Unchanged,
    /// It was there, and was activated.
    Activated,
}

/// `text`, cut to at most `max` bytes at the end of a character, with an ellipsis where it was cut.
pub fn bounded(text: &str, max: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max.saturating_sub(ELLIPSIS.len()));
    format!("{}{ELLIPSIS}", &text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bounded_never_exceeds(text in "\\PC{0,80}", max in 3_usize..60) {
            prop_assert!(bounded(&text, max).len() <= max);
            if text.len() <= max {
                prop_assert_eq!(bounded(&text, max), text);
            }
        }
    }
}

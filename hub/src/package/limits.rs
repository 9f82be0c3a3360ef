//! How large a package may be.

use serde::Deserialize;

/// Bounds on packages, which are made by tenants and so not trusted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Most files in a package.
    pub files: usize,
    /// Largest entity in bytes: what FlyteAdmin takes in one message, 4 MiB unless it is
    /// configured otherwise. `flyteAdmins.*.maxMessageSizeBytes` says so.
    #[serde(skip)]
    pub entity_bytes: u64,
    /// Largest package in bytes, unpacked. It is held in memory while it is planned.
    pub unpacked_bytes: u64,
    /// Largest code that a package brings along (`pyflyte package --copy`), in bytes,
    /// compressed and not. It is read piece by piece, never held, and no part of
    /// `unpackedBytes`.
    pub fast_bytes: u64,
    /// Longest name of a file or an entity in bytes.
    pub name_bytes: usize,
    /// Most nodes of a workflow, those that it embeds not counted: 100 unless FlyteAdmin is
    /// configured otherwise. `flyteAdmins.*.maxWorkflowNodes` says so.
    #[serde(skip)]
    pub workflow_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 20_000,
            entity_bytes: 4 << 20,
            unpacked_bytes: 64 << 20,
            fast_bytes: 256 << 20,
            name_bytes: 1024,
            workflow_nodes: 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_belongs_to_a_flyteadmin_is_not_configured_here() {
        let limits: Limits = serde_json::from_value(json!({"files": 3})).unwrap();
        let expected = Limits {
            files: 3,
            ..Limits::default()
        };
        assert_eq!(limits, expected);
        for key in ["entityBytes", "workflowNodes"] {
            assert!(serde_json::from_value::<Limits>(json!({key: 1})).is_err());
        }
    }
}

//! How one FlyteAdmin is reached, and what it is spared.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::AuthConfig;
use crate::package::Limits;

/// A FlyteAdmin, as an entry of `flyteAdmins` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlyteAdminConfig {
    /// Where it is: `host:port`, `dns:///host:port` or `https://host[:port]`; with
    /// `insecure` also `http://host[:port]`. All addresses of the host take turns.
    pub endpoint: String,
    /// Speak plaintext to it. Never without being told to.
    #[serde(default)]
    pub insecure: bool,
    /// Certificates that its own must go back to (PEM), instead of the system's.
    /// Read for each new connection, as the next two.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The certificate that FlyteAdmin, or what stands before it, is to know us by (PEM).
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// The key of this certificate (PEM).
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// How to get tokens for it. Absent: calls go without.
    #[serde(default)]
    pub auth: Option<AuthConfig>,
    /// Most calls at a time. Creates that reach the size of its database pool lock
    /// FlyteAdmin up for good; 8 are safe with its defaults.
    #[serde(default = "max_in_flight")]
    pub max_in_flight: usize,
    /// How long one call may take, in Go's notation.
    #[serde(default = "call_timeout", deserialize_with = "duration")]
    pub call_timeout: Duration,
    /// Most nodes of a workflow, those that it embeds not counted: what FlyteAdmin's own
    /// configuration has under `registration.maxWorkflowNodes`.
    #[serde(default = "max_workflow_nodes")]
    pub max_workflow_nodes: usize,
    /// Largest request in bytes: what FlyteAdmin's own configuration has under
    /// `server.grpc.maxMessageSizeBytes`.
    #[serde(default = "max_message_size_bytes")]
    pub max_message_size_bytes: u64,
    /// Part of every receipt: another value makes all that was registered there be looked
    /// at again, for example after FlyteAdmin lost its database.
    #[serde(default = "epoch")]
    pub epoch: String,
}

impl FlyteAdminConfig {
    /// The one at `endpoint`, with the defaults of all else.
    pub fn at(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            insecure: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            auth: None,
            max_in_flight: max_in_flight(),
            call_timeout: call_timeout(),
            max_workflow_nodes: max_workflow_nodes(),
            max_message_size_bytes: max_message_size_bytes(),
            epoch: epoch(),
        }
    }

    /// The same with other credentials.
    #[must_use]
    pub fn called_as(&self, auth: &AuthConfig) -> Self {
        Self {
            auth: Some(auth.clone()),
            ..self.clone()
        }
    }
}

fn max_in_flight() -> usize {
    8
}

fn call_timeout() -> Duration {
    Duration::from_secs(15)
}

fn max_workflow_nodes() -> usize {
    Limits::default().workflow_nodes
}

fn max_message_size_bytes() -> u64 {
    Limits::default().entity_bytes
}

fn epoch() -> String {
    "1".to_owned()
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    flyte_registration_crd::parse_go_duration(&text).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_and_durations() {
        let config: FlyteAdminConfig =
            serde_json::from_value(json!({"endpoint": "dns:///flyteadmin:81"})).unwrap();
        assert_eq!(config, FlyteAdminConfig::at("dns:///flyteadmin:81"));
        assert_eq!(config.max_in_flight, 8);
        assert_eq!(config.call_timeout, Duration::from_secs(15));
        assert_eq!(config.epoch, "1");
        assert_eq!(config.max_workflow_nodes, 100);
        assert_eq!(config.max_message_size_bytes, 4_194_304);
        assert!(!config.insecure);
        let config: FlyteAdminConfig = serde_json::from_value(
            json!({"endpoint": "a:1", "insecure": true, "callTimeout": "1m30s"}),
        )
        .unwrap();
        assert_eq!(config.call_timeout, Duration::from_secs(90));
    }

    #[test]
    fn unknown_keys_are_refused() {
        let wrong = json!({"endpoint": "a:1", "maxInflight": 3});
        let error = serde_json::from_value::<FlyteAdminConfig>(wrong).unwrap_err();
        assert!(error.to_string().contains("maxInflight"), "{error}");
    }
}

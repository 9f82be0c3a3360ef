//! The agent's configuration: defaults, then a YAML file, then the environment, then flags.
//!
//! Keys are camelCase, unknown ones are refused, and errors name file and key. Secrets stand
//! only in files. `config/agent.yaml` documents every key.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    providers::{Format as _, Serialized, Yaml},
};
use serde::{Deserialize, Serialize};

mod check;
mod duration;
mod environment;
mod flags;

pub use check::Problem;
pub use flags::Flags;

/// Prefix of the environment variables that set configuration keys.
pub const ENVIRONMENT_PREFIX: &str = "FLYTE_AGENT_";

/// Everything that the agent is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// The hub.
    pub hub: Hub,
    /// The namespaces whose resources are streamed; empty: all.
    pub namespaces: Vec<String>,
    /// A kubeconfig file. Without one: as kubectl does, or the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// The Lease that makes one of several agents stream and write.
    pub lease: Lease,
    /// Health and metrics.
    pub web: Web,
    /// Logging.
    pub log: Log,
}

/// The hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Hub {
    /// `https://host:port`; `http://` only to loopback, or with `insecure`.
    pub endpoint: String,
    /// PEM file of the CAs that may have signed the hub's certificate. Without one: the
    /// system's. Read again at each connection.
    pub ca_file: Option<PathBuf>,
    /// File with a token of the cluster's service account for the hub, as the kubelet projects it.
    /// Read again at each connection.
    pub token_file: Option<PathBuf>,
    /// PEM file with a client certificate, by which the hub knows the cluster as well or instead.
    /// Read again at each connection.
    pub cert_file: Option<PathBuf>,
    /// PEM file with its key.
    pub key_file: Option<PathBuf>,
    /// Allows `http://` to another host: token and resources then cross the network in the
    /// clear.
    pub insecure: bool,
    /// Resources that wait are told `HubUnreachable` when the hub has been out of reach for
    /// this long.
    #[serde(with = "duration")]
    pub unreachable_after: Duration,
}

/// The Lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Lease {
    /// Its name.
    pub name: String,
    /// Its namespace. Without one: that of the pod, or of the kubeconfig.
    pub namespace: Option<String>,
    /// Who this process is; no other may have the same. Without one: the host's name and a
    /// random suffix.
    pub identity: Option<String>,
}

/// Health and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Web {
    /// Address and port of `/healthz`, `/readyz` and `/metrics`.
    pub listen: SocketAddr,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Log {
    /// A `tracing` filter, for example `info` or `flyte_registration_agent=debug,info`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    #[default]
    Json,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            endpoint: "https://flyte-registration-hub:7443".to_owned(),
            ca_file: None,
            token_file: None,
            cert_file: None,
            key_file: None,
            insecure: false,
            unreachable_after: Duration::from_secs(30),
        }
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            name: "flyte-registration-agent".to_owned(),
            namespace: None,
            identity: None,
        }
    }
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 9090)),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Json,
        }
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, or a value has the wrong form. Names file and key.
    #[error("{0}")]
    Read(Box<figment::Error>),
    /// Values that cannot be right.
    #[error("{}", check::list(.0))]
    Invalid(Vec<Problem>),
}

/// Reads and validates the configuration of `file`, of the environment and of `flags`.
pub fn load(file: Option<&Path>, flags: &Flags) -> Result<Config, ConfigError> {
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(file) = file {
        figment = figment.merge(Yaml::file(file).search(false).required(true));
    }
    let config: Config = figment
        .merge(environment::provider(ENVIRONMENT_PREFIX))
        .merge(Serialized::defaults(flags))
        .extract()
        .map_err(|error| ConfigError::Read(Box::new(error)))?;
    let problems = config.problems();
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Invalid(problems))
    }
}

#[cfg(test)]
mod tests;

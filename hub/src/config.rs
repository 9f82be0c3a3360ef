//! The hub's configuration: defaults, then YAML files, then the environment.
//!
//! Maps are keyed by name, unknown keys are refused everywhere, errors name file and key,
//! and the whole is validated before anything starts. Secrets stand only in files that
//! keys ending in `File` name. `config/hub.yaml` documents every key.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::{audit, identity, package, registrar, source, tenancy, web};

mod check;
pub mod duration;
mod environment;
mod fixed;
mod load;

pub use check::Problem;
pub use load::{ConfigError, digest, load};

/// Prefix of the environment variables that set configuration keys.
pub const ENVIRONMENT_PREFIX: &str = "FLYTE_HUB_";

/// Everything that the hub is told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// Where agents connect.
    pub listen: Listen,
    /// Health, metrics.
    pub web: Web,
    /// What the platform team may look at. Left out: nothing.
    pub api: Option<web::api::ApiConfig>,
    /// What must survive a restart: the key of the receipts, which cluster goes by which name, audit
    /// events.
    pub state_dir: StateDir,
    /// What happens, on record.
    pub audit: audit::AuditConfig,
    /// Downloaded packages. May be lost.
    pub cache: source::CacheConfig,
    /// The clusters whose agents may connect, by name.
    pub clusters: BTreeMap<String, identity::ClusterConfig>,
    /// Who may register what, by tenant.
    pub tenants: BTreeMap<String, tenancy::Tenant>,
    /// Where packages come from, by name.
    pub sources: BTreeMap<String, source::SourceConfig>,
    /// The FlyteAdmins, by name.
    pub flyte_admins: BTreeMap<String, registrar::FlyteAdminConfig>,
    /// How large a package may be.
    pub package: package::Limits,
    /// How work is spread and repeated.
    pub work: Work,
    /// Timers and limits of the agents' sessions.
    pub session: Session,
    /// Logging.
    pub log: Log,
}

/// Where agents connect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Listen {
    /// Address and port. Without `tls` it must be a loopback address.
    pub address: SocketAddr,
    /// The server's certificate.
    pub tls: Option<Tls>,
}

/// A server certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate and its chain.
    pub cert_file: PathBuf,
    /// PEM file with the private key.
    pub key_file: PathBuf,
    /// PEM file with the authorities of the agents' certificates. Without it none is asked for.
    pub client_ca_file: Option<PathBuf>,
}

/// Health and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Web {
    /// Address and port of `/healthz`, `/readyz` and `/metrics`.
    pub listen: SocketAddr,
}

/// The durable directory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StateDir(pub PathBuf);

/// How work is spread and repeated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Work {
    /// Most resources that are worked on at a time.
    pub concurrency: usize,
    /// Most packages that are unpacked and registered at a time in one FlyteAdmin. Each may take
    /// `package.unpackedBytes` of memory, and more calls than `maxInFlight` wait anyway.
    pub packages_per_flyte_admin: usize,
    /// Delay before the first repetition. It doubles from there.
    #[serde(with = "duration")]
    pub retry_initial: Duration,
    /// Longest delay before a repetition.
    #[serde(with = "duration")]
    pub retry_max: Duration,
}

/// Timers and limits of the agents' sessions.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Session {
    /// How long an agent may take until its Hello.
    #[serde(with = "duration")]
    pub hello_timeout: Duration,
    /// After how long a silence each side sends a heartbeat.
    #[serde(with = "duration")]
    pub heartbeat: Duration,
    /// After how long a silence the other side is taken for gone.
    #[serde(with = "duration")]
    pub gone: Duration,
    /// Sessions older than this are asked to connect anew (± 10 %), so that they spread.
    #[serde(with = "duration")]
    pub max_age: Duration,
    /// Most resources of one cluster.
    pub max_objects: usize,
    /// Most sessions at a time, those that have not said Hello included.
    pub max_sessions: usize,
    /// Most of them of one cluster. More than one overlap only while an agent connects anew.
    pub max_sessions_per_cluster: usize,
    /// Most connections at a time that have no session yet. Where there are more, the one that has
    /// waited longest is closed.
    pub max_handshakes: usize,
    /// Most of them from one address (of IPv6: from one network of 64 bits).
    pub max_handshakes_per_address: usize,
    /// How fast an agent may speak for long; each 16 KiB of a message count as one. It may be ahead
    /// by ten seconds; beyond that it is read more slowly.
    pub max_messages_per_second: u32,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Log {
    /// A `tracing` filter, for example `info` or `flyte_registration_hub=debug,info`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    #[default]
    Json,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 7443)),
            tls: None,
        }
    }
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
        }
    }
}

impl Default for StateDir {
    fn default() -> Self {
        Self(PathBuf::from("/var/lib/flyte-registration-hub"))
    }
}

impl Default for Work {
    fn default() -> Self {
        Self {
            concurrency: 256,
            packages_per_flyte_admin: 8,
            retry_initial: Duration::from_secs(2),
            retry_max: Duration::from_mins(15),
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            hello_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(20),
            gone: Duration::from_mins(1),
            max_age: Duration::from_hours(1),
            max_objects: 20_000,
            max_sessions: 5_000,
            max_sessions_per_cluster: 8,
            max_handshakes: 1_024,
            max_handshakes_per_address: 128,
            max_messages_per_second: 1_000,
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

impl Config {
    /// The directory that holds the clusters' uids.
    pub fn pins_dir(&self) -> PathBuf {
        self.state_dir.0.join("clusters")
    }

    /// The file that holds the key of the receipts.
    pub fn receipt_key_file(&self) -> PathBuf {
        self.state_dir.0.join("receipt.key")
    }
}

impl AsRef<Path> for StateDir {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests;

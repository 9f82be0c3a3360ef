//! What the configuration says about sources and their cache.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{names::Registry, size};
use crate::config::duration;

const TIMEOUT_MAX: Duration = Duration::from_hours(1);
const MAX_CONCURRENT_MAX: usize = 1024;

/// A place that packages come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum SourceConfig {
    /// An OCI registry, or a part of one.
    Oci(OciConfig),
}

/// An OCI registry, or a part of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciConfig {
    /// `host[:port][/prefix]`. Relative package URIs lie below it, and absolute ones belong to the
    /// source with the longest prefix.
    pub registry: Registry,
    /// User, for basic or token authentication. Left out, with its file: anonymous.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the user. Read at each use, as is the password.
    #[serde(default)]
    pub username_file: Option<PathBuf>,
    /// File with the password or access token.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// PEM file with the authorities to trust besides the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Speak HTTP without TLS.
    #[serde(default)]
    pub plain_http: bool,
    /// How long the registry may take to answer, and to send the next part of a package.
    #[serde(default = "default_timeout", with = "duration")]
    pub timeout: Duration,
    /// Most requests at a time.
    #[serde(default = "default_max_concurrent")]
    pub max_concurrent: usize,
    /// Largest package, in bytes or as `512Mi`.
    #[serde(default = "default_max_package_size", with = "size")]
    pub max_package_size: u64,
}

fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_max_concurrent() -> usize {
    16
}

fn default_max_package_size() -> u64 {
    512 << 20
}

impl SourceConfig {
    /// What is wrong with it beyond the form of single values: the key, and why.
    pub fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let Self::Oci(oci) = self;
        let user = oci.username.is_some() || oci.username_file.is_some();
        let checks = [
            (
                oci.username.is_some() && oci.username_file.is_some(),
                "usernameFile",
                "must not stand beside username",
            ),
            (
                user != oci.password_file.is_some(),
                "passwordFile",
                "goes with username or usernameFile",
            ),
            (
                oci.plain_http && oci.ca_file.is_some(),
                "caFile",
                "means nothing with plainHttp",
            ),
            (
                oci.timeout.is_zero() || oci.timeout > TIMEOUT_MAX,
                "timeout",
                "must be more than 0 and at most 1h",
            ),
            (
                !(1..=MAX_CONCURRENT_MAX).contains(&oci.max_concurrent),
                "maxConcurrent",
                "must be 1 to 1024",
            ),
            (
                oci.max_package_size == 0,
                "maxPackageSize",
                "must be more than 0",
            ),
        ];
        checks
            .into_iter()
            .filter(|(wrong, ..)| *wrong)
            .map(|(_, key, message)| (key, message))
            .collect()
    }
}

/// Where downloaded packages are kept. May be lost at any time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CacheConfig {
    /// The directory. Made when missing; several processes may share it.
    pub dir: PathBuf,
    /// Most bytes to keep, or as `10Gi`. The packages longest unused go first.
    #[serde(with = "size")]
    pub max_size: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("/var/cache/flyte-registration-hub"),
            max_size: 10 << 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<SourceConfig, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn defaults() {
        let SourceConfig::Oci(oci) =
            read(r#"{"kind": "oci", "registry": "host:5000/team"}"#).unwrap();
        assert_eq!(oci.registry.to_string(), "host:5000/team");
        assert_eq!(
            (oci.timeout, oci.max_package_size),
            (Duration::from_secs(30), 512 << 20)
        );
        assert!(!oci.plain_http);
    }

    #[test]
    fn unknown_keys_and_kinds_are_refused() {
        let error = read(r#"{"kind": "oci", "registry": "host", "pasword": "x"}"#)
            .unwrap_err()
            .to_string();
        assert!(error.contains("pasword"), "{error}");
        assert!(read(r#"{"kind": "ftp", "registry": "host"}"#).is_err());
        assert!(read(r#"{"kind": "oci", "registry": "https://host"}"#).is_err());
    }

    #[test]
    fn it_survives_being_written() {
        let config = read(
            r#"{"kind": "oci", "registry": "host", "timeout": "5s", "maxPackageSize": "1Mi"}"#,
        )
        .unwrap();
        let SourceConfig::Oci(again) = read(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(
            (again.timeout, again.max_package_size),
            (Duration::from_secs(5), 1 << 20)
        );
    }

    #[test]
    fn contradictions_and_bounds() {
        let keys = |json: &str| {
            read(json)
                .unwrap()
                .problems()
                .into_iter()
                .map(|(key, _)| key)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            keys(r#"{"kind": "oci", "registry": "h", "username": "u"}"#),
            ["passwordFile"]
        );
        assert_eq!(
            keys(r#"{"kind": "oci", "registry": "h", "passwordFile": "/p"}"#),
            ["passwordFile"]
        );
        assert_eq!(
            keys(r#"{"kind": "oci", "registry": "h", "plainHttp": true, "caFile": "/ca"}"#),
            ["caFile"]
        );
        let extreme = r#"{"kind": "oci", "registry": "h", "timeout": "2h", "maxConcurrent": 18446744073709551615}"#;
        assert_eq!(keys(extreme), ["timeout", "maxConcurrent"]);
        assert!(
            keys(r#"{"kind": "oci", "registry": "h", "username": "u", "passwordFile": "/p"}"#)
                .is_empty()
        );
    }
}

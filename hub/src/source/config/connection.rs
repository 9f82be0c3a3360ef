//! How a source is reached: the same keys for every kind.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{BaseUrl, Problem, size};
use crate::{config::duration, source::names::Authority};

const TIMEOUT_MAX: Duration = Duration::from_hours(1);
const MAX_CONCURRENT_MAX: usize = 1024;
const RATE_MAX: f64 = 100_000.0;

/// How a source is reached. Part of each kind's own keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectionConfig {
    /// `host[:port]` to connect to instead of the source's own, which stays its name.
    pub endpoint: Option<Authority>,
    /// Hosts that the source may redirect to whatever their addresses; to all others only where
    /// those are public.
    pub redirect_hosts: Vec<Authority>,
    /// PEM file with the authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file with a client certificate and its chain. Shown to the source's own host alone.
    pub cert_file: Option<PathBuf>,
    /// PEM file with its private key.
    pub key_file: Option<PathBuf>,
    /// HTTP proxy that everything goes through, without a user. The environment's proxies are not used.
    pub proxy: Option<BaseUrl>,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
    /// How long the source may take to answer, and to send the next part of a package.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Most requests at a time.
    pub max_concurrent: usize,
    /// Most requests per second. Left out: as many as there are.
    pub rate: Option<f64>,
    /// Largest package, in bytes or as `512Mi`.
    #[serde(with = "size")]
    pub max_package_size: u64,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            redirect_hosts: Vec::new(),
            ca_file: None,
            cert_file: None,
            key_file: None,
            proxy: None,
            plain_http: false,
            timeout: Duration::from_secs(30),
            max_concurrent: 64,
            rate: None,
            max_package_size: 512 << 20,
        }
    }
}

impl ConnectionConfig {
    /// What is wrong with it beyond the form of single values.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let checks = [
            (
                self.plain_http && self.ca_file.is_some(),
                "caFile",
                "means nothing with plainHttp",
            ),
            (
                self.plain_http && self.cert_file.is_some(),
                "certFile",
                "means nothing with plainHttp",
            ),
            (
                self.cert_file.is_some() != self.key_file.is_some(),
                "keyFile",
                "goes with certFile",
            ),
            (
                self.timeout.is_zero() || self.timeout > TIMEOUT_MAX,
                "timeout",
                "must be more than 0 and at most 1h",
            ),
            (
                !(1..=MAX_CONCURRENT_MAX).contains(&self.max_concurrent),
                "maxConcurrent",
                "must be 1 to 1024",
            ),
            (
                !self.rate.is_none_or(|rate| rate > 0.0 && rate <= RATE_MAX),
                "rate",
                "must be more than 0 and at most 100000",
            ),
            (
                self.max_package_size == 0,
                "maxPackageSize",
                "must be more than 0",
            ),
        ];
        super::wrong(checks)
    }
}

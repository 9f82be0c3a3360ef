//! What the configuration says about sources and their cache.

use std::path::PathBuf;

use ::url::Url;
use serde::{Deserialize, Serialize};

use super::{
    ecr::EcrHost,
    names::{Authority, Registry},
    size,
};

mod connection;
mod credentials;
mod files;
mod signatures;
mod url;

pub use connection::ConnectionConfig;
pub use credentials::CredentialsConfig;
pub use files::{ArtifactoryConfig, HttpConfig};
pub use signatures::SignaturesConfig;
pub use url::BaseUrl;

/// A place that packages come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum SourceConfig {
    /// An OCI registry, or a part of one.
    Oci(OciConfig),
    /// An Artifactory with generic repositories.
    Artifactory(ArtifactoryConfig),
    /// Any HTTP server.
    Http(HttpConfig),
}

/// An OCI registry, or a part of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciConfig {
    /// `host[:port][/prefix]`. Relative package URIs lie below it, and absolute ones belong to the
    /// source with the longest prefix.
    pub registry: Registry,
    /// Hosts of token services besides the registry's own that may be sent the credentials.
    #[serde(default)]
    pub token_realms: Vec<Authority>,
    /// Whose signatures its packages must have. Left out: they need none.
    #[serde(default)]
    pub signatures: Option<SignaturesConfig>,
    /// How it is reached. Flattened: what neither has is refused here, with its name.
    #[serde(flatten)]
    pub connection: ConnectionConfig,
    /// What it is shown.
    #[serde(flatten)]
    pub credentials: CredentialsConfig,
}

/// The root of a host.
pub(crate) fn base_url(authority: &str, plain_http: bool) -> Result<Url, ::url::ParseError> {
    let scheme = if plain_http { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{authority}/"))
}

/// A key that cannot stand, and why.
pub type Problem = (&'static str, &'static str);

/// The keys of the checks that say that something is wrong.
fn wrong(checks: impl IntoIterator<Item = (bool, &'static str, &'static str)>) -> Vec<Problem> {
    let checks = checks.into_iter().filter(|(wrong, ..)| *wrong);
    checks.map(|(_, key, message)| (key, message)).collect()
}

impl SourceConfig {
    /// Whose signatures its packages must have.
    pub fn signatures(&self) -> Option<&SignaturesConfig> {
        match self {
            Self::Oci(source) => source.signatures.as_ref(),
            Self::Artifactory(_) | Self::Http(_) => None,
        }
    }

    /// How it is reached.
    pub(super) fn connection(&self) -> &ConnectionConfig {
        match self {
            Self::Oci(source) => &source.connection,
            Self::Artifactory(source) => &source.connection,
            Self::Http(source) => &source.connection,
        }
    }

    /// What it is shown.
    pub(super) fn credentials(&self) -> &CredentialsConfig {
        match self {
            Self::Oci(source) => &source.credentials,
            Self::Artifactory(source) => &source.credentials,
            Self::Http(source) => &source.credentials,
        }
    }

    /// `host[:port]` that it is called by.
    pub(super) fn authority(&self) -> &str {
        match self {
            Self::Oci(source) => &source.registry.authority,
            Self::Artifactory(source) => source.url.authority(),
            Self::Http(source) => source.url.authority(),
        }
    }

    /// Where requests go.
    pub(super) fn base(&self) -> Result<Url, ::url::ParseError> {
        let connection = self.connection();
        let endpoint = connection.endpoint.as_ref().map(Authority::as_str);
        let contact = endpoint.unwrap_or(match self.authority() {
            // Docker Hub's registry is not where its name leads to.
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            authority => authority,
        });
        base_url(contact, connection.plain_http)
    }

    /// What is wrong with it beyond the form of single values.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.connection().problems();
        problems.extend(self.credentials().problems());
        let url = match self {
            Self::Oci(source) => {
                let ecr = source.credentials.ecr.is_some();
                let known = EcrHost::parse(&source.registry.authority).is_some();
                let message =
                    "is for a registry <account>.dkr.ecr.<region>.amazonaws.com or the like";
                problems.extend(wrong([(ecr && !known, "ecr", message)]));
                return problems;
            }
            Self::Artifactory(source) => &source.url,
            Self::Http(source) => &source.url,
        };
        let plain = self.connection().plain_http;
        problems.extend(wrong([
            (
                plain != (url.url().scheme() == "http"),
                "url",
                "must be https:// without plainHttp, and http:// with it",
            ),
            (
                self.credentials().docker_config_file.is_some(),
                "dockerConfigFile",
                "is for registries",
            ),
            (self.credentials().ecr.is_some(), "ecr", "is for registries"),
        ]));
        problems
    }
}

/// Where downloaded packages are kept. May be lost at any time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
mod tests;

//! Packages at their sources.

use std::fmt;

use url::Url;

use super::file;
use crate::source::{Digest, SignaturesConfig, SourceConfig};

/// A package at its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageRef {
    /// The source's name in the configuration.
    pub source: String,
    /// Where the source has it.
    pub place: Place,
    /// The digest that it must have: of the manifest, or of the file.
    pub pinned: Option<Digest>,
    /// Whose signatures it must have, besides what the source demands.
    pub signatures: Option<SignaturesConfig>,
}

/// Where a source has a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In a registry.
    Oci {
        /// `host[:port]` of the registry.
        registry: String,
        /// The repository, with the source's prefix.
        repository: String,
        /// The manifest in it.
        reference: Reference,
    },
    /// A file.
    File(Url),
}

/// What names a manifest in its repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A tag. It may move.
    Tag(String),
    /// A digest.
    Digest(Digest),
}

impl Reference {
    /// As in the URL of the manifest.
    pub(in crate::source) fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag,
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

impl Place {
    /// Its path below `source`, to which it belongs; without tag, digest and query.
    pub fn below(&self, source: &SourceConfig) -> &str {
        let (path, reach) = match (self, source) {
            (Self::Oci { repository, .. }, SourceConfig::Oci(source)) => {
                (repository.as_str(), Some(source.registry.prefix.len()))
            }
            (Self::File(url), SourceConfig::Artifactory(source)) => {
                let reach = file::reach(&source.url, source.prefix.as_str(), url);
                (url.as_str(), reach)
            }
            (Self::File(url), SourceConfig::Http(source)) => {
                (url.as_str(), file::reach(&source.url, "", url))
            }
            _ => ("", None),
        };
        let rest = reach
            .and_then(|reach| path.get(reach..))
            .unwrap_or_default();
        let rest = rest.split('?').next().unwrap_or_default();
        rest.trim_start_matches('/')
    }

    /// Without tag and digest, which no source depends on.
    pub(super) fn bare(&self) -> String {
        match self {
            Self::Oci {
                registry,
                repository,
                ..
            } => format!("oci://{registry}/{repository}"),
            Self::File(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci {
                registry,
                repository,
                reference,
            } => {
                let separator = if matches!(reference, Reference::Tag(_)) {
                    ':'
                } else {
                    '@'
                };
                let reference = reference.as_str();
                write!(f, "oci://{registry}/{repository}{separator}{reference}")
            }
            Self::File(url) => file::without_query(url, f),
        }
    }
}

impl fmt::Display for PackageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

//! Which package a resource means: from its spec, its tenant's sources and their configuration
//! to a reference. Pure.

use std::{collections::BTreeMap, fmt};

use flyte_registration_crd::Reason;

use super::{
    SourceConfig,
    names::{Digest, OciUri, is_repository, is_tag},
};

/// What the spec asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `spec.workflowPackageUri`.
    pub uri: &'a str,
    /// `spec.workflowVersion`.
    pub version: &'a str,
    /// `spec.digest`.
    pub digest: Option<&'a str>,
}

/// What the tenant may use.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    /// The source of relative URIs.
    pub default_source: Option<&'a str>,
    /// All its sources, the default one among them.
    pub sources: &'a [String],
}

/// A package at its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageRef {
    /// The source's name in the configuration.
    pub source: String,
    /// `host[:port]` of the registry.
    pub registry: String,
    /// The repository, with the source's prefix.
    pub repository: String,
    /// The manifest in it.
    pub reference: Reference,
    /// The digest that the manifest must have.
    pub pinned: Option<Digest>,
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
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag,
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

impl fmt::Display for PackageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            registry,
            repository,
            reference,
            ..
        } = self;
        let separator = if matches!(reference, Reference::Tag(_)) {
            ':'
        } else {
            '@'
        };
        write!(
            f,
            "oci://{registry}/{repository}{separator}{}",
            reference.as_str()
        )
    }
}

/// The spec means no package that the hub would fetch. Displays what the tenant may know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// The tenant has no source for it.
    #[error("{0}")]
    Denied(String),
    /// It names nothing that a source can have.
    #[error("{0}")]
    InvalidSpec(String),
    /// A form of URI that the hub does not serve yet.
    #[error("{0}")]
    NotSupported(String),
}

impl LocateError {
    /// The reason for the condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Denied(_) => Reason::Denied,
            Self::InvalidSpec(_) => Reason::InvalidSpec,
            Self::NotSupported(_) => Reason::NotSupported,
        }
    }
}

/// Finds the package.
///
/// A repository belongs to the source with the longest prefix that names it, of all sources and
/// not only the tenant's: a source for `host` must not lend its credentials for what another
/// source, `host/private`, was made for. Where several sources name the same part of a registry,
/// the tenant's default one comes first, then the first of its list.
pub fn locate(
    wanted: Wanted<'_>,
    allowed: Allowed<'_>,
    sources: &BTreeMap<String, SourceConfig>,
) -> Result<PackageRef, LocateError> {
    let uri = absolute(&wanted, allowed, sources)?;
    let digest = pin(uri.digest.as_ref(), wanted.digest)?;
    let source = owner(&uri, allowed, sources).ok_or_else(|| {
        LocateError::Denied(format!(
            "the tenant has no source for oci://{}/{}",
            uri.authority, uri.repository
        ))
    })?;
    let reference = match (uri.digest, uri.tag) {
        (Some(digest), _) => Reference::Digest(digest),
        (None, Some(tag)) => Reference::Tag(tag),
        (None, None) => Reference::Tag(version_tag(wanted.version)?),
    };
    Ok(PackageRef {
        source: source.to_owned(),
        registry: uri.authority,
        repository: uri.repository,
        reference,
        pinned: digest,
    })
}

/// The URI with the tenant's default source filled in.
fn absolute(
    wanted: &Wanted<'_>,
    allowed: Allowed<'_>,
    sources: &BTreeMap<String, SourceConfig>,
) -> Result<OciUri, LocateError> {
    let uri = wanted.uri;
    if let Some((scheme, _)) = uri.split_once("://") {
        return match scheme {
            "oci" => uri.parse().map_err(|problem| {
                LocateError::InvalidSpec(format!("spec.workflowPackageUri {problem}"))
            }),
            "artifactory" | "https" => Err(LocateError::NotSupported(format!(
                "packages from {scheme}:// are not supported yet"
            ))),
            _ => Err(LocateError::InvalidSpec(format!(
                "spec.workflowPackageUri has the unknown scheme {scheme}"
            ))),
        };
    }
    let default = allowed.default_source.and_then(|name| sources.get(name));
    let Some(SourceConfig::Oci(oci)) = default else {
        return Err(LocateError::Denied(
            "the tenant has no default source: give an absolute URI such as oci://host/repository"
                .to_owned(),
        ));
    };
    let repository = oci.registry.repository(uri);
    if !is_repository(&repository) {
        return Err(LocateError::InvalidSpec(format!(
            "spec.workflowPackageUri: {repository} names a repository that no OCI registry can have"
        )));
    }
    Ok(OciUri {
        authority: oci.registry.authority.clone(),
        repository,
        tag: None,
        digest: None,
    })
}

/// The digest of the URI and that of the spec, which must agree.
fn pin(in_uri: Option<&Digest>, in_spec: Option<&str>) -> Result<Option<Digest>, LocateError> {
    let invalid = |message: &str| LocateError::InvalidSpec(format!("spec.digest {message}"));
    let in_spec = in_spec
        .map(|digest| Digest::parse(digest).ok_or_else(|| invalid("is not a sha256 digest")))
        .transpose()?;
    match (in_uri, in_spec) {
        (Some(in_uri), Some(in_spec)) if *in_uri != in_spec => {
            Err(invalid("differs from the digest in workflowPackageUri"))
        }
        (in_uri, in_spec) => Ok(in_spec.or_else(|| in_uri.cloned())),
    }
}

/// The tenant's source that the repository belongs to.
fn owner<'a>(
    uri: &OciUri,
    allowed: Allowed<'a>,
    sources: &BTreeMap<String, SourceConfig>,
) -> Option<&'a str> {
    let prefix = |source: &SourceConfig| {
        let SourceConfig::Oci(oci) = source;
        oci.registry
            .holds(&uri.authority, &uri.repository)
            .then_some(oci.registry.prefix.len())
    };
    let longest = sources.values().filter_map(prefix).max()?;
    allowed
        .default_source
        .into_iter()
        .chain(allowed.sources.iter().map(String::as_str))
        .find(|name| sources.get(*name).and_then(prefix) == Some(longest))
}

/// The version as a tag: `+` is `_`, as Helm has it too, since tags have no `+`.
fn version_tag(version: &str) -> Result<String, LocateError> {
    let tag = version.replace('+', "_");
    if is_tag(&tag) {
        return Ok(tag);
    }
    Err(LocateError::InvalidSpec(format!(
        "spec.workflowVersion {version} cannot be a tag: give one in workflowPackageUri"
    )))
}

#[cfg(test)]
mod tests;

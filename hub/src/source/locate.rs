//! Which package a resource means: from its spec, its tenant's sources and their configuration
//! to a reference. Pure.

use std::{collections::BTreeMap, fmt};

use flyte_registration_crd::Reason;

use super::{
    SignaturesConfig, SourceConfig,
    names::{Digest, OciUri, is_repository, is_tag},
};

mod file;
mod place;

pub use place::{PackageRef, Place, Reference};

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
    /// Whose signatures its packages must have, besides what their source demands.
    pub signatures: Option<&'a SignaturesConfig>,
}

impl<'a> Allowed<'a> {
    /// In the order in which they are preferred.
    fn names(self) -> impl Iterator<Item = &'a str> {
        let listed = self.sources.iter().map(String::as_str);
        self.default_source.into_iter().chain(listed)
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
}

impl LocateError {
    /// The reason for the condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Denied(_) => Reason::Denied,
            Self::InvalidSpec(_) => Reason::InvalidSpec,
        }
    }

    fn uri(problem: impl fmt::Display) -> Self {
        Self::InvalidSpec(format!("spec.workflowPackageUri {problem}"))
    }

    fn no_source(uri: impl fmt::Display) -> Self {
        Self::Denied(format!("the tenant has no source for {uri}"))
    }
}

/// Finds the package.
///
/// A package belongs to the source with the longest prefix that names it, of all sources and
/// not only the tenant's: a source for `host` must not lend its credentials for what another
/// source, `host/private`, was made for. Where several sources name the same part of a host,
/// the tenant's default one comes first, then the first of its list.
pub fn locate(
    wanted: Wanted<'_>,
    allowed: Allowed<'_>,
    sources: &BTreeMap<String, SourceConfig>,
) -> Result<PackageRef, LocateError> {
    let in_spec = wanted.digest.map(|digest| {
        let invalid = || LocateError::InvalidSpec("spec.digest is not a sha256 digest".to_owned());
        Digest::parse(digest).ok_or_else(invalid)
    });
    let in_spec = in_spec.transpose()?;
    let (places, in_uri) = places(&wanted, allowed, sources)?;
    if let (Some(in_uri), Some(in_spec)) = (&in_uri, &in_spec)
        && in_uri != in_spec
    {
        let message = "spec.digest differs from the digest in workflowPackageUri";
        return Err(LocateError::InvalidSpec(message.to_owned()));
    }
    let pinned = in_spec.or(in_uri);
    let owned = places.iter().find_map(|place| {
        let source = owner(place, allowed, sources)?;
        Some(PackageRef {
            source: source.to_owned(),
            place: place.clone(),
            pinned: pinned.clone(),
            signatures: allowed.signatures.cloned(),
        })
    });
    owned.ok_or_else(|| {
        // Of an artifactory:// URI the tenant knows no other form.
        match places.first() {
            Some(place) if !wanted.uri.starts_with("artifactory://") => {
                LocateError::no_source(place.bare())
            }
            _ => LocateError::no_source(wanted.uri),
        }
    })
}

/// Where it may be, in the order of preference, and the digest that the URI names. Only
/// `artifactory://` leaves a choice: it names no host.
fn places(
    wanted: &Wanted<'_>,
    allowed: Allowed<'_>,
    sources: &BTreeMap<String, SourceConfig>,
) -> Result<(Vec<Place>, Option<Digest>), LocateError> {
    let file = |url| (vec![Place::File(url)], None);
    match wanted.uri.split_once("://") {
        Some(("oci", _)) => {
            let uri: OciUri = wanted.uri.parse().map_err(LocateError::uri)?;
            let reference = match (uri.digest.clone(), uri.tag) {
                (Some(digest), _) => Reference::Digest(digest),
                (None, Some(tag)) => Reference::Tag(tag),
                (None, None) => Reference::Tag(version_tag(wanted.version)?),
            };
            let place = Place::Oci {
                registry: uri.authority,
                repository: uri.repository,
                reference,
            };
            Ok((vec![place], uri.digest))
        }
        Some(("https", _)) => Ok(file(file::absolute(wanted.uri, wanted.version)?)),
        Some(("artifactory", path)) => {
            let bases = allowed.names().filter_map(|name| match sources.get(name)? {
                SourceConfig::Artifactory(source) => Some(&source.url),
                _ => None,
            });
            let urls = bases.map(|base| file::of_artifactory(base, path, wanted.version));
            let places: Result<_, _> = urls.map(|url| url.map(Place::File)).collect();
            Ok((places?, None))
        }
        Some((scheme, _)) => Err(LocateError::uri(format_args!("has the unknown scheme {scheme}"))),
        None => match allowed.default_source.and_then(|name| sources.get(name)) {
            None => Err(LocateError::Denied(
                "the tenant has no default source: give an absolute URI such as oci://host/repository"
                    .to_owned(),
            )),
            Some(SourceConfig::Oci(source)) => {
                let repository = source.registry.repository(wanted.uri);
                if !is_repository(&repository) {
                    let problem = format!("{repository} names a repository that no OCI registry can have");
                    return Err(LocateError::uri(problem));
                }
                let place = Place::Oci {
                    registry: source.registry.authority.clone(),
                    repository,
                    reference: Reference::Tag(version_tag(wanted.version)?),
                };
                Ok((vec![place], None))
            }
            Some(SourceConfig::Artifactory(source)) => {
                let prefix = source.prefix.as_str();
                Ok(file(file::relative(&source.url, prefix, wanted.uri, wanted.version)?))
            }
            Some(SourceConfig::Http(source)) => {
                Ok(file(file::relative(&source.url, "", wanted.uri, wanted.version)?))
            }
        },
    }
}

/// The tenant's source that the package belongs to.
fn owner<'a>(
    place: &Place,
    allowed: Allowed<'a>,
    sources: &BTreeMap<String, SourceConfig>,
) -> Option<&'a str> {
    let reach = |source: &SourceConfig| match (source, place) {
        (
            SourceConfig::Oci(source),
            Place::Oci {
                registry,
                repository,
                ..
            },
        ) => {
            let prefix = &source.registry;
            prefix
                .holds(registry, repository)
                .then_some(prefix.prefix.len())
        }
        (SourceConfig::Artifactory(source), Place::File(url)) => {
            file::reach(&source.url, source.prefix.as_str(), url)
        }
        (SourceConfig::Http(source), Place::File(url)) => file::reach(&source.url, "", url),
        _ => None,
    };
    let longest = sources.values().filter_map(reach).max()?;
    allowed
        .names()
        .find(|name| sources.get(*name).and_then(reach) == Some(longest))
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

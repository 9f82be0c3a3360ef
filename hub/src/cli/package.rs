//! The package that a command is about: a file, or one that a source has.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use flyte_registration_crd::{Package, Reason, rules};
use tempfile::TempDir;
use thiserror::Error;

use crate::{
    config::Config,
    source::{
        Allowed, Blob, Cache, CacheConfig, Digest, LocateError, PackageRef, SourceConfig, Sources,
        Wanted, locate,
    },
};

#[derive(Debug, Args)]
pub(super) struct PackageArg {
    /// The package: a `.tgz` file made by `pyflyte package`, or where it is, such as
    /// `oci://host/repository[:tag][@sha256:digest]`. Without a tag, the version is the tag.
    #[arg(value_name = "PACKAGE", value_parser = place)]
    package: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Uri(String),
}

#[allow(clippy::unnecessary_wraps, reason = "the form of clap's parsers")]
fn place(text: &str) -> Result<Place, String> {
    if !text.contains("://") {
        return Ok(Place::File(text.into()));
    }
    match rules::PACKAGE_URI.broken_by(text) {
        None => Ok(Place::Uri(text.to_owned())),
        Some(problem) => Err(problem),
    }
}

/// A package whose bytes are at hand.
pub(super) struct Obtained {
    /// Where it came from, and its digest.
    pub(super) package: Package,
    bytes: Bytes,
}

enum Bytes {
    File(PathBuf),
    /// In a cache of this command's own, which goes with it.
    Fetched {
        blob: Blob,
        _cache: TempDir,
    },
}

impl Obtained {
    pub(super) fn open(&self) -> io::Result<File> {
        match &self.bytes {
            Bytes::File(path) => File::open(path),
            Bytes::Fetched { blob, .. } => blob.open(),
        }
    }
}

/// A source did not give the package.
#[derive(Clone, Debug, Error)]
#[error("{reason}: {message}")]
pub(super) struct NotObtained {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl PackageArg {
    /// Opens it, or fetches it with the credentials of the source that it belongs to. No
    /// version will do where the package's place does not depend on it.
    /// An error is one of how the command is used; what a source answers is not.
    pub(super) async fn obtain(
        &self,
        version: Option<&str>,
        config: Option<&Config>,
    ) -> anyhow::Result<Result<Obtained, NotObtained>> {
        match &self.package {
            Place::File(path) => {
                let package = file(path).with_context(|| format!("cannot read {}", path.display()));
                let bytes = Bytes::File(path.clone());
                package.map(|package| Ok(Obtained { package, bytes }))
            }
            Place::Uri(uri) => fetch(uri, version, config).await,
        }
    }
}

impl std::fmt::Display for PackageArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.package {
            Place::File(path) => path.display().fmt(f),
            Place::Uri(uri) => f.write_str(uri),
        }
    }
}

fn file(path: &Path) -> io::Result<Package> {
    let (digest, size) = Digest::of_reader(&mut File::open(path)?)?;
    Ok(Package {
        uri: path.display().to_string(),
        archive_digest: Some(digest.to_string()),
        digest: digest.to_string(),
        size: i64::try_from(size).ok(),
        ..Package::default()
    })
}

async fn fetch(
    uri: &str,
    version: Option<&str>,
    config: Option<&Config>,
) -> anyhow::Result<Result<Obtained, NotObtained>> {
    let mut sources = config
        .map(|config| config.sources.clone())
        .unwrap_or_default();
    let at = |version, sources: &SourceMap| match version {
        Some(version) => find(uri, version, sources),
        None => of_any_version(uri, sources),
    };
    let package = match at(version, &sources) {
        Err(LocateError::Denied(_)) if uri.starts_with("oci://") => {
            // A name that nothing in a configuration can have.
            sources.insert(String::new(), anonymous(uri)?);
            at(version, &sources)
        }
        found => found,
    };
    let package = package.map_err(|error| {
        if matches!(error, LocateError::Denied(_)) {
            anyhow::anyhow!("no source of the configuration covers {uri}")
        } else {
            error.into()
        }
    })?;
    let dir = tempfile::tempdir().context("there is no place for the package")?;
    let cache = CacheConfig {
        dir: dir.path().to_owned(),
        ..CacheConfig::default()
    };
    let cache = Cache::open(&cache).context("there is no place for the package")?;
    let fetched = Sources::new(&sources, cache)?.fetch(&package).await;
    Ok(match fetched {
        Ok(fetched) => Ok(Obtained {
            package: fetched.package,
            bytes: Bytes::Fetched {
                blob: fetched.blob,
                _cache: dir,
            },
        }),
        Err(error) => Err(NotObtained {
            reason: error.reason(),
            message: error.to_string(),
        }),
    })
}

type SourceMap = std::collections::BTreeMap<String, SourceConfig>;

/// Whoever runs this may use all sources.
fn find(uri: &str, version: &str, sources: &SourceMap) -> Result<PackageRef, LocateError> {
    let names: Vec<String> = sources.keys().cloned().collect();
    let wanted = Wanted {
        uri,
        version,
        digest: None,
    };
    let allowed = Allowed {
        default_source: None,
        sources: &names,
        // A tenant's; what a source demands holds here too.
        signatures: None,
    };
    locate(wanted, allowed, sources)
}

/// The same where nobody says which version: only where that makes no difference.
fn of_any_version(uri: &str, sources: &SourceMap) -> Result<PackageRef, LocateError> {
    let package = find(uri, "1", sources)?;
    if package == find(uri, "2", sources)? {
        return Ok(package);
    }
    let message = format!("which version of {uri} is meant? --version says so");
    Err(LocateError::InvalidSpec(message))
}

/// The registry of `uri`, without credentials.
fn anonymous(uri: &str) -> anyhow::Result<SourceConfig> {
    let host = uri.split('/').nth(2).unwrap_or_default();
    let config = serde_json::json!({"kind": "oci", "registry": host});
    serde_json::from_value(config).with_context(|| format!("{host} is no registry"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_uris() {
        assert_eq!(place("a/b.tgz"), Ok(Place::File("a/b.tgz".into())));
        let uri = "oci://host:5000/a/b:1";
        assert_eq!(place(uri), Ok(Place::Uri(uri.to_owned())));
        assert!(place("ftp://host/a").unwrap_err().contains("oci://"));
    }

    #[test]
    fn without_a_source_the_registry_is_asked_without_credentials() {
        let sources = SourceMap::new();
        let uri = "oci://host:5000/a/b";
        let denied = find(uri, "v1", &sources).unwrap_err();
        assert!(matches!(denied, LocateError::Denied(_)), "{denied}");
        let sources = SourceMap::from([(String::new(), anonymous(uri).unwrap())]);
        let found = find(uri, "v1", &sources).unwrap();
        assert_eq!(found.to_string(), "oci://host:5000/a/b:v1");
        let which = of_any_version(uri, &sources).unwrap_err();
        assert!(which.to_string().contains("--version"), "{which}");
        let tagged = "oci://host:5000/a/b:1";
        let found = of_any_version(tagged, &sources).unwrap();
        assert_eq!(found.to_string(), tagged);
    }
}

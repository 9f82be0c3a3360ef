//! Finds and downloads packages.
//!
//! [`locate()`] says, without any IO, which package a resource means. [`Sources::fetch`] resolves it
//! to a digest with its source's own credentials and hands out the archive, from a cache that all
//! sources share. The bytes are shared, permission is not: before the cache answers for a
//! repository, that repository has shown that it holds the digest.

use std::{collections::BTreeMap, sync::Arc};

use flyte_registration_crd::{Package, Reason};
use url::Url;

mod address;
mod cache;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod credentials;
mod ecr;
mod error;
mod file;
mod layer;
mod locate;
pub(crate) mod names;
pub(crate) mod oci;
mod proven;
mod registry;
mod signature;
pub(crate) mod size;
pub(crate) mod throttle;

pub use cache::{Blob, Cache};
pub use client::ClientError;
pub(crate) use client::{USER_AGENT, authorities};
pub use config::{
    ArtifactoryConfig, CacheConfig, ConnectionConfig, CredentialsConfig, HttpConfig, OciConfig,
    SignaturesConfig, SourceConfig,
};
pub use ecr::EcrConfig;
pub use error::{Failure, SourceError};
pub use layer::ARTIFACT_TYPE;
pub use locate::{Allowed, LocateError, PackageRef, Place, Reference, Wanted, locate};
pub use names::{Authority, Digest, Registry};

use client::{Client, Proxies};
use file::FileSource;
use oci::{OciSource, Resolved};
use registry::{InRegistry, Leader};
use signature::Signatures;
use throttle::Pauses;

use crate::flight::Flights;

/// A package that was fetched.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// What the status says about it.
    pub package: Package,
    /// The archive.
    pub blob: Blob,
}

/// A source cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Values of its configuration contradict each other.
    #[error("sources.{name}.{key} {problem}")]
    Config {
        /// The source.
        name: String,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Its client cannot be made.
    #[error("sources.{name} cannot be set up")]
    Client {
        /// The source.
        name: String,
        /// Why.
        #[source]
        cause: ClientError,
    },
}

/// A source, ready for use.
#[derive(Clone)]
enum Source {
    Oci(Arc<OciSource>),
    File(Arc<FileSource>),
}

impl Source {
    fn new(config: &SourceConfig, pauses: &mut Pauses) -> Result<Self, ClientError> {
        let connection = config.connection();
        let (name, base) = (config.authority().to_owned(), config.base()?);
        let pause = pauses.of(base.authority());
        let client = Client::new(name, base, connection, Proxies::Configured, pause)?;
        Ok(match config {
            SourceConfig::Oci(oci) => Self::Oci(Arc::new(OciSource::new(client, oci)?)),
            SourceConfig::Artifactory(_) | SourceConfig::Http(_) => {
                let source = FileSource::new(client, connection, config.credentials());
                Self::File(Arc::new(source))
            }
        })
    }
}

/// All sources of a configuration, and the cache that they share. After a change of the
/// configuration another one takes its place, over the same cache.
pub struct Sources {
    by_name: BTreeMap<String, (SourceConfig, Source)>,
    pauses: Pauses,
    cache: Arc<Cache>,
    resolving: Flights<(String, String, Reference), Result<Resolved, Failure>>,
    /// By registry and digest: a slow registry delays nobody who has another.
    downloading: Flights<(String, Digest), (Leader, Result<Blob, Failure>)>,
    proving: Flights<(String, String, Digest), Result<(), Failure>>,
    /// Files, by source and URL.
    reading: Flights<(String, Url), Result<Blob, Failure>>,
    signatures: Signatures,
}

impl Sources {
    /// Sets the sources up. Reads their certificates and makes no request.
    pub fn new(
        configs: &BTreeMap<String, SourceConfig>,
        cache: Arc<Cache>,
    ) -> Result<Self, SetupError> {
        Self::with(configs, cache, Pauses::default(), |_, _| None)
    }

    /// The sources of another configuration, over the same cache. Those that are as they were keep
    /// their connections and what they know; that a host is to be left alone is known to all.
    pub fn renewed(&self, configs: &BTreeMap<String, SourceConfig>) -> Result<Self, SetupError> {
        let cache = Arc::clone(&self.cache);
        Self::with(configs, cache, self.pauses.clone(), |name, config| {
            let (old, source) = self.by_name.get(name)?;
            (old == config).then(|| source.clone())
        })
    }

    fn with(
        configs: &BTreeMap<String, SourceConfig>,
        cache: Arc<Cache>,
        mut pauses: Pauses,
        kept: impl Fn(&str, &SourceConfig) -> Option<Source>,
    ) -> Result<Self, SetupError> {
        let mut by_name = BTreeMap::new();
        for (name, config) in configs {
            if let Some(source) = kept(name, config) {
                by_name.insert(name.clone(), (config.clone(), source));
                continue;
            }
            if let Some((key, problem)) = config.problems().into_iter().next() {
                let name = name.clone();
                return Err(SetupError::Config { name, key, problem });
            }
            let source = Source::new(config, &mut pauses).map_err(|cause| SetupError::Client {
                name: name.clone(),
                cause,
            })?;
            by_name.insert(name.clone(), (config.clone(), source));
        }
        Ok(Self {
            by_name,
            pauses,
            cache,
            resolving: Flights::default(),
            downloading: Flights::default(),
            proving: Flights::default(),
            reading: Flights::default(),
            signatures: Signatures::default(),
        })
    }

    /// Fetches a package. One request for the manifest, and one for the archive unless it is in the
    /// cache; a file is one request. Who asks for the same at the same time shares them. Nothing is repeated here beyond
    /// one attempt after a broken connection.
    pub async fn fetch(&self, package: &PackageRef) -> Result<Fetched, SourceError> {
        let fetched = self.find(package).await;
        fetched.map_err(|failure| SourceError {
            package: package.to_string(),
            failure,
        })
    }

    async fn find(&self, package: &PackageRef) -> Result<Fetched, Failure> {
        let name = &package.source;
        let source = self.by_name.get(name).map(|(_, source)| source);
        match (source, &package.place) {
            (
                Some(Source::Oci(source)),
                Place::Oci {
                    registry,
                    repository,
                    reference,
                },
            ) => {
                let place = InRegistry {
                    name,
                    source,
                    registry,
                    repository,
                    reference,
                };
                self.find_in_registry(package, &place).await
            }
            (Some(Source::File(_)), Place::File(_)) if package.signatures.is_some() => {
                let message =
                    "the tenant's packages must be signed, and only registries keep signatures";
                Err(Failure::new(Reason::SignatureInvalid, message))
            }
            (Some(Source::File(source)), Place::File(url)) => {
                self.find_file(package, source, url).await
            }
            // The configuration changed after the package was located.
            _ => Err(Failure::new(
                Reason::Denied,
                format!("there is no such source as {name}"),
            )),
        }
    }

    async fn find_file(
        &self,
        package: &PackageRef,
        source: &Arc<FileSource>,
        url: &Url,
    ) -> Result<Fetched, Failure> {
        let (source, cache, key) = (Arc::clone(source), Arc::clone(&self.cache), url.clone());
        let work = || async move {
            let blob = source.fetch(&key, &cache).await;
            make_room(&cache, blob.as_ref().err()).await;
            blob
        };
        let key = (package.source.clone(), url.clone());
        let blob = self.reading.join(key, work).await?;
        pinned(package, "package", blob.digest())?;
        let package = Package {
            uri: package.to_string(),
            digest: blob.digest().to_string(),
            ..described(&blob)
        };
        Ok(Fetched { package, blob })
    }
}

/// Refuses what is not what was pinned.
fn pinned(package: &PackageRef, what: &str, actual: &Digest) -> Result<(), Failure> {
    match &package.pinned {
        Some(pinned) if pinned != actual => {
            let message = format!("the {what} has the digest {actual}, not the pinned {pinned}");
            Err(Failure::new(Reason::DigestMismatch, message))
        }
        _ => Ok(()),
    }
}

/// What the status says about the archive.
fn described(blob: &Blob) -> Package {
    Package {
        archive_digest: Some(blob.digest().to_string()),
        size: i64::try_from(blob.size()).ok(),
        ..Package::default()
    }
}

/// A full disk is no reason to fail again.
async fn make_room(cache: &Arc<Cache>, failure: Option<&Failure>) {
    if failure.is_some_and(Failure::is_disk_full)
        && let Err(error) = cache.shrink().await
    {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot make room in the cache"
        );
    }
}

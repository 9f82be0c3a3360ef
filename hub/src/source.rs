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
mod signature;
pub(crate) mod size;
pub(crate) mod throttle;

pub use cache::{Blob, Cache};
pub use client::ClientError;
pub(crate) use client::{USER_AGENT, certificates};
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
use layer::Layer;
use oci::{OciSource, Resolved};
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

/// Who downloads a blob: source and repository.
type Leader = (String, String);

/// A package in a registry.
struct InRegistry<'a> {
    name: &'a str,
    source: &'a Arc<OciSource>,
    registry: &'a str,
    repository: &'a str,
    reference: &'a Reference,
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

    async fn find_in_registry(
        &self,
        package: &PackageRef,
        place: &InRegistry<'_>,
    ) -> Result<Fetched, Failure> {
        let resolved = self.resolve(place).await?;
        pinned(package, "manifest", &resolved.manifest)?;
        self.verify(package, place, &resolved.manifest).await?;
        let blob = self.obtain(place, &resolved.layer).await?;
        let package = Package {
            uri: package.to_string(),
            digest: resolved.manifest.to_string(),
            source: resolved.origin.source,
            revision: resolved.origin.revision,
            ..described(&blob)
        };
        Ok(Fetched { package, blob })
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

    /// What the source demands, and what the tenant does, on top of each other.
    async fn verify(
        &self,
        package: &PackageRef,
        place: &InRegistry<'_>,
        manifest: &Digest,
    ) -> Result<(), Failure> {
        let demands = place.source.signatures().into_iter();
        for demand in demands.chain(&package.signatures) {
            let source = (place.name, place.source);
            let verified = self
                .signatures
                .verify(source, place.repository, manifest, demand);
            verified.await?;
        }
        Ok(())
    }

    async fn resolve(&self, place: &InRegistry<'_>) -> Result<Resolved, Failure> {
        let (source, repository, reference) = (
            Arc::clone(place.source),
            place.repository.to_owned(),
            place.reference.clone(),
        );
        let key = (place.name.to_owned(), repository.clone(), reference.clone());
        self.resolving
            .join(key, || async move {
                source.resolve(&repository, &reference).await
            })
            .await
    }

    /// The blob, from the cache or the registry, once it is known that the repository holds it.
    async fn obtain(&self, place: &InRegistry<'_>, layer: &Layer) -> Result<Blob, Failure> {
        let me: Leader = (place.name.to_owned(), place.repository.to_owned());
        loop {
            let (leader, result) = self.download(place, &me, layer).await;
            match result {
                Ok(blob) if blob.size() != layer.size => {
                    let message =
                        format!("the package has {} bytes, not {}", blob.size(), layer.size);
                    return Err(Failure::new(Reason::DigestMismatch, message));
                }
                Ok(blob) => {
                    self.prove(place, layer).await?;
                    return Ok(blob);
                }
                // What another repository cannot give may still be had from this one.
                Err(_) if leader != me => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn download(
        &self,
        place: &InRegistry<'_>,
        me: &Leader,
        layer: &Layer,
    ) -> (Leader, Result<Blob, Failure>) {
        let (source, cache, me, layer) = (
            Arc::clone(place.source),
            Arc::clone(&self.cache),
            me.clone(),
            layer.clone(),
        );
        let key = (place.registry.to_owned(), layer.digest.clone());
        let work = || async move {
            let result = match cache.get(&layer.digest).await {
                Ok(Some(blob)) => Ok(blob),
                Ok(None) => source.download(&me.1, &layer, &cache).await,
                Err(error) => Err(Failure::cache(error)),
            };
            make_room(&cache, result.as_ref().err()).await;
            (me, result)
        };
        self.downloading.join(key, work).await
    }

    async fn prove(&self, place: &InRegistry<'_>, layer: &Layer) -> Result<(), Failure> {
        let (repository, digest) = (place.repository.to_owned(), layer.digest.clone());
        if place.source.is_proven(&repository, &digest).await? {
            return Ok(());
        }
        let key = (place.name.to_owned(), repository.clone(), digest.clone());
        let source = Arc::clone(place.source);
        self.proving
            .join(
                key,
                || async move { source.prove(&repository, &digest).await },
            )
            .await
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

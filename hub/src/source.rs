//! Finds and downloads packages.
//!
//! [`locate()`] says, without any IO, which package a resource means. [`Sources::fetch`] resolves it
//! to a digest with its source's own credentials and hands out the archive, from a cache that all
//! sources share. The bytes are shared, permission is not: before the cache answers for a
//! repository, that repository has shown that it holds the digest.

use std::{collections::BTreeMap, sync::Arc};

use flyte_registration_crd::{Package, Reason};

mod cache;
mod config;
pub(crate) mod credentials;
mod error;
mod layer;
mod locate;
pub(crate) mod names;
pub(crate) mod oci;
mod proven;
mod size;
mod throttle;

pub use cache::{Blob, Cache};
pub use config::{CacheConfig, ConnectionConfig, CredentialsConfig, OciConfig, SourceConfig};
pub use error::{Failure, SourceError};
pub use locate::{Allowed, LocateError, PackageRef, Reference, Wanted, locate};
pub use names::{Authority, Digest, Registry};
pub use oci::ClientError;

use layer::Layer;
use oci::{OciSource, Resolved};

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

/// Who downloads a blob: source and repository.
type Leader = (String, String);

/// All sources of a configuration, and the cache that they share. After a change of the
/// configuration another one takes its place, over the same cache.
pub struct Sources {
    by_name: BTreeMap<String, Arc<OciSource>>,
    cache: Arc<Cache>,
    resolving: Flights<(String, String, Reference), Result<Resolved, Failure>>,
    /// By registry and digest: a slow registry delays nobody who has another.
    downloading: Flights<(String, Digest), (Leader, Result<Blob, Failure>)>,
    proving: Flights<(String, String, Digest), Result<(), Failure>>,
}

impl Sources {
    /// Sets the sources up. Reads their `caFile`s and makes no request.
    pub fn new(
        configs: &BTreeMap<String, SourceConfig>,
        cache: Arc<Cache>,
    ) -> Result<Self, SetupError> {
        let mut by_name = BTreeMap::new();
        for (name, config) in configs {
            if let Some((key, problem)) = config.problems().into_iter().next() {
                let name = name.clone();
                return Err(SetupError::Config { name, key, problem });
            }
            let SourceConfig::Oci(oci) = config;
            let source = OciSource::new(oci).map_err(|cause| SetupError::Client {
                name: name.clone(),
                cause,
            })?;
            by_name.insert(name.clone(), Arc::new(source));
        }
        Ok(Self {
            by_name,
            cache,
            resolving: Flights::default(),
            downloading: Flights::default(),
            proving: Flights::default(),
        })
    }

    /// Fetches a package. One request for the manifest, and one for the archive unless it is in the
    /// cache; who asks for the same at the same time shares them. Nothing is repeated here beyond
    /// one attempt after a broken connection.
    pub async fn fetch(&self, package: &PackageRef) -> Result<Fetched, SourceError> {
        let fetched = self.find(package).await;
        fetched.map_err(|failure| SourceError {
            package: package.to_string(),
            failure,
        })
    }

    async fn find(&self, package: &PackageRef) -> Result<Fetched, Failure> {
        let source = self.by_name.get(&package.source).ok_or_else(|| {
            // The configuration changed after the package was located.
            Failure::new(
                Reason::Denied,
                format!("there is no source {}", package.source),
            )
        })?;
        let resolved = self.resolve(source, package).await?;
        if let Some(pinned) = &package.pinned
            && resolved.manifest != *pinned
        {
            let message = format!(
                "the manifest has the digest {}, not the pinned {pinned}",
                resolved.manifest
            );
            return Err(Failure::new(Reason::DigestMismatch, message));
        }
        let blob = self.obtain(source, package, &resolved.layer).await?;
        let package = Package {
            uri: package.to_string(),
            digest: resolved.manifest.to_string(),
            archive_digest: Some(blob.digest().to_string()),
            size: i64::try_from(blob.size()).ok(),
        };
        Ok(Fetched { package, blob })
    }

    async fn resolve(
        &self,
        source: &Arc<OciSource>,
        package: &PackageRef,
    ) -> Result<Resolved, Failure> {
        let key = (
            package.source.clone(),
            package.repository.clone(),
            package.reference.clone(),
        );
        let (source, repository, reference) = (
            Arc::clone(source),
            package.repository.clone(),
            package.reference.clone(),
        );
        self.resolving
            .join(key, || async move {
                source.resolve(&repository, &reference).await
            })
            .await
    }

    /// The blob, from the cache or the registry, once it is known that the repository holds it.
    async fn obtain(
        &self,
        source: &Arc<OciSource>,
        package: &PackageRef,
        layer: &Layer,
    ) -> Result<Blob, Failure> {
        let me: Leader = (package.source.clone(), package.repository.clone());
        loop {
            let (leader, result) = self.download(source, package, &me, layer).await;
            match result {
                Ok(blob) if blob.size() != layer.size => {
                    let message =
                        format!("the package has {} bytes, not {}", blob.size(), layer.size);
                    return Err(Failure::new(Reason::DigestMismatch, message));
                }
                Ok(blob) => {
                    self.prove(source, package, layer).await?;
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
        source: &Arc<OciSource>,
        package: &PackageRef,
        me: &Leader,
        layer: &Layer,
    ) -> (Leader, Result<Blob, Failure>) {
        let (source, cache, me, layer) = (
            Arc::clone(source),
            Arc::clone(&self.cache),
            me.clone(),
            layer.clone(),
        );
        let key = (package.registry.clone(), layer.digest.clone());
        let work = || async move {
            let result = match cache.get(&layer.digest).await {
                Ok(Some(blob)) => Ok(blob),
                Ok(None) => source.download(&me.1, &layer, &cache).await,
                Err(error) => Err(Failure::cache(error)),
            };
            if result.as_ref().is_err_and(Failure::is_disk_full)
                && let Err(error) = cache.shrink().await
            {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot make room in the cache"
                );
            }
            (me, result)
        };
        self.downloading.join(key, work).await
    }

    async fn prove(
        &self,
        source: &Arc<OciSource>,
        package: &PackageRef,
        layer: &Layer,
    ) -> Result<(), Failure> {
        let (repository, digest) = (package.repository.clone(), layer.digest.clone());
        if source.is_proven(&repository, &digest).await? {
            return Ok(());
        }
        let key = (package.source.clone(), repository.clone(), digest.clone());
        let source = Arc::clone(source);
        self.proving
            .join(
                key,
                || async move { source.prove(&repository, &digest).await },
            )
            .await
    }
}

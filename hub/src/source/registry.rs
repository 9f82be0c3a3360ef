//! Packages in registries: resolved, verified, and downloaded once for all that want the same bytes.

use std::sync::Arc;

use flyte_registration_crd::{Package, Reason};

use super::{
    Blob, Digest, Failure, Fetched, PackageRef, Reference, Sources, described,
    layer::Layer,
    make_room,
    oci::{OciSource, Resolved},
    pinned,
};

/// Who downloads a blob: source and repository.
pub(super) type Leader = (String, String);

/// A package in a registry.
pub(super) struct InRegistry<'a> {
    pub(super) name: &'a str,
    pub(super) source: &'a Arc<OciSource>,
    pub(super) registry: &'a str,
    pub(super) repository: &'a str,
    pub(super) reference: &'a Reference,
}

impl Sources {
    pub(super) async fn find_in_registry(
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

//! Signatures of packages in registries, as `cosign sign --key` makes and stores them.
//!
//! The signatures of the manifest `sha256:<hex>` lie in its own repository, under the tag
//! `sha256-<hex>.sig`: a manifest with a layer for each, which is the payload that was signed, and
//! an annotation with the signature (cosign's `specs/SIGNATURE_SPEC.md`). What must be signed is the
//! manifest or index that the reference names, as for `cosign verify`: everything below it hangs on
//! its digest. Keys alone count: no certificates, no transparency log, no timestamps.
//!
//! The `sigstore` crate is not used: its cosign client makes its own requests, past a source's
//! limits and the rules of where redirects may lead, and comes with implementations of RSA and
//! P-256 besides ring's, and with a client for keyless signing.

use std::{
    collections::{HashMap, hash_map::Entry},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use flyte_registration_crd::Reason;
use moka::sync::Cache;

use super::{SignaturesConfig, error::Failure, names::Digest, oci::OciSource};
use crate::flight::Flights;

mod key;
mod payload;
mod stored;
#[cfg(test)]
mod tests;

use key::Keys;
use payload::Unfit;

/// Verified manifests that are remembered. One that is forgotten costs two requests.
const REMEMBERED: u64 = 65_536;
/// Largest list of signatures.
const LIST_MAX: u64 = 4 << 20;
/// Manifests that cosign stores signatures as.
const LISTS: &str = "application/vnd.oci.image.manifest.v1+json, \
                     application/vnd.docker.distribution.manifest.v2+json";

/// What is verified, and by which keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Signed {
    source: String,
    repository: String,
    manifest: Digest,
    keys: [u8; 32],
}

/// The signatures of all sources.
pub(super) struct Signatures {
    verified: Cache<Signed, ()>,
    verifying: Flights<Signed, Result<(), Failure>>,
}

impl Default for Signatures {
    fn default() -> Self {
        Self {
            verified: Cache::new(REMEMBERED),
            verifying: Flights::default(),
        }
    }
}

impl Signatures {
    /// Makes sure that one of the demanded keys, as their files are now, signed `manifest`. The
    /// registry is asked unless the same was found before.
    pub(super) async fn verify(
        &self,
        (name, source): (&str, &Arc<OciSource>),
        repository: &str,
        manifest: &Digest,
        demand: &SignaturesConfig,
    ) -> Result<(), Failure> {
        let keys = read(&demand.key_files).await?;
        let signed = Signed {
            source: name.to_owned(),
            repository: repository.to_owned(),
            manifest: manifest.clone(),
            keys: keys.fingerprint(),
        };
        if self.verified.contains_key(&signed) {
            return Ok(());
        }
        let (source, wanted) = (Arc::clone(source), signed.clone());
        let work =
            || async move { ask(&source, &wanted.repository, &wanted.manifest, &keys).await };
        self.verifying.join(signed.clone(), work).await?;
        self.verified.insert(signed, ());
        Ok(())
    }
}

/// The keys in `files`. They are small, and read at each use, so that no change is missed.
async fn read(files: &[PathBuf]) -> Result<Keys, Failure> {
    Keys::read(files).await.map_err(|error| {
        let message = "the hub cannot read the keys of the signatures that are demanded";
        tracing::warn!(error = &error as &dyn std::error::Error, "{message}");
        Failure::new(Reason::SourceUnavailable, message).because(error)
    })
}

/// Looks for a signature in the registry: a request for the list, and one for each payload until
/// one is good. Those of the same repository and name have the same payload, and cost one request.
async fn ask(
    source: &OciSource,
    repository: &str,
    manifest: &Digest,
    keys: &Keys,
) -> Result<(), Failure> {
    let _permit = source.client().throttle().enter().await;
    let invalid = |problem: String| Failure::new(Reason::SignatureInvalid, problem);
    let list = format!("manifests/sha256-{}.sig", manifest.hex());
    let list = source.small(repository, list, Some(LISTS), LIST_MAX).await;
    let list = list.map_err(|failure| match failure.reason {
        Reason::PackageNotFound => {
            let host = source.client().name();
            invalid(format!(
                "{manifest} must be signed and is not: \
                 cosign sign --key KEY --tlog-upload=false {host}/{repository}@{manifest}"
            ))
        }
        _ => unusable(failure),
    })?;
    let signatures = stored::read(&list).map_err(invalid)?;

    let mut payloads: HashMap<&Digest, Option<Bytes>> = HashMap::new();
    let mut best = Unfit::Missing;
    for signature in &signatures {
        let payload = match payloads.entry(&signature.payload) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                unknown.insert(fetch(source, repository, &signature.payload).await?)
            }
        };
        let Some(payload) = payload else { continue };
        match payload::check(payload, &signature.signature, keys, manifest) {
            Ok(()) => return Ok(()),
            Err(unfit) => best = best.max(unfit),
        }
    }
    Err(invalid(best.explain(manifest, signatures.len())))
}

/// A payload; `None` if there is none, or another one, and another signature may do nevertheless.
async fn fetch(
    source: &OciSource,
    repository: &str,
    digest: &Digest,
) -> Result<Option<Bytes>, Failure> {
    let path = format!("blobs/{digest}");
    let blob = source.small(repository, path, None, stored::PAYLOAD_MAX);
    match blob.await.map_err(unusable) {
        Ok(blob) => Ok(Some(blob).filter(|blob| Digest::of(blob) == *digest)),
        Err(failure) => match failure.reason {
            Reason::PackageNotFound | Reason::SignatureInvalid => Ok(None),
            _ => Err(failure),
        },
    }
}

/// Too much for a signature is no good signature, and not too large a package.
fn unusable(mut failure: Failure) -> Failure {
    if failure.reason == Reason::PackageTooLarge {
        failure.reason = Reason::SignatureInvalid;
    }
    failure
}

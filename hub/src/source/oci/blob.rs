//! Packages in a registry: whether they are there, and getting them.

use std::{sync::Arc, time::Duration};

use flyte_registration_crd::Reason;
use http::{Method, StatusCode, header::CONTENT_RANGE};
use tokio::time::{Instant, timeout_at};

use super::{OciSource, Request, auth::Authorization, mismatch};
use crate::source::{
    cache::{Blob, Cache, Incoming, Rejected},
    client::{Answer, Trouble},
    error::Failure,
    layer::Layer,
    names::Digest,
};

/// A package that comes slower than this many bytes per second is given up.
const SLOWEST: u64 = 64 * 1024;

impl OciSource {
    /// Whether `repository` is known to hold the blob for the present credentials.
    pub(in crate::source) async fn is_proven(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<bool, Failure> {
        let generation = self.auth.generation().await?;
        Ok(self.proven.lock().contains(generation, repository, digest))
    }

    /// Asks whether `repository` holds the blob. A manifest may name any digest; only the registry
    /// knows whether these credentials reach it through this repository.
    pub(in crate::source) async fn prove(
        &self,
        repository: &str,
        digest: &Digest,
    ) -> Result<(), Failure> {
        let _permit = self.client.throttle().enter().await;
        let request = request(Method::HEAD, repository, digest, 0);
        let answer = match self.send(&request).await {
            Err(trouble) if trouble.is_broken() => self.send(&request).await,
            other => other,
        };
        let (_, authorization) = answer?;
        self.proven
            .lock()
            .insert(authorization.generation, repository, digest);
        Ok(())
    }

    /// Downloads the blob into the cache, in two parts if the connection breaks.
    pub(in crate::source) async fn download(
        &self,
        repository: &str,
        layer: &Layer,
        cache: &Arc<Cache>,
    ) -> Result<Blob, Failure> {
        if layer.size > cache.max_size() {
            let message = format!(
                "the package has {} bytes, more than the hub's cache",
                layer.size
            );
            return Err(Failure::new(Reason::PackageTooLarge, message));
        }
        let _permit = self.client.throttle().enter().await;
        let mut incoming = cache.begin(layer.size).await.map_err(Failure::cache)?;
        let longest = self.client.timeout() + Duration::from_secs(layer.size / SLOWEST);
        let authorization = timeout_at(
            Instant::now() + longest,
            self.fill(repository, layer, &mut incoming),
        )
        .await
        .map_err(|_| Failure::timed_out(self.client.name(), longest))??;
        let blob =
            incoming
                .finish(Some(&layer.digest))
                .await
                .map_err(|rejected| match rejected {
                    Rejected::Digest(actual) => mismatch("the package", &layer.digest, &actual),
                    Rejected::Io(error) => Failure::cache(error),
                })?;
        self.proven
            .lock()
            .insert(authorization.generation, repository, &layer.digest);
        Ok(blob)
    }

    async fn fill(
        &self,
        repository: &str,
        layer: &Layer,
        incoming: &mut Incoming,
    ) -> Result<Authorization, Failure> {
        let filled = match self.append(repository, layer, incoming).await {
            Err(trouble) if trouble.is_broken() => self.append(repository, layer, incoming).await,
            other => other,
        };
        Ok(filled?)
    }

    /// Asks for what `incoming` lacks, and appends it.
    async fn append(
        &self,
        repository: &str,
        layer: &Layer,
        incoming: &mut Incoming,
    ) -> Result<Authorization, Trouble> {
        let request = request(Method::GET, repository, &layer.digest, incoming.written());
        let (mut answer, authorization) = self.send(&request).await?;
        if request.offset > 0 && !continues_at(&answer, request.offset) {
            incoming.restart().await.map_err(Failure::cache)?;
        }
        let host = answer.from.clone();
        loop {
            let chunk = async {
                let chunk = answer.response.chunk().await;
                chunk.map_err(|error| Trouble::of(&host, error))
            };
            let Some(chunk) = self.client.in_time(chunk).await? else {
                break;
            };
            if incoming.written() + chunk.len() as u64 > layer.size {
                let message = format!(
                    "{host} sends more than the {} bytes of the manifest",
                    layer.size
                );
                return Err(Failure::new(Reason::DigestMismatch, message).into());
            }
            incoming.write(&chunk).await.map_err(Failure::cache)?;
        }
        if incoming.written() < layer.size {
            let message = format!(
                "{host} sends {} of {} bytes",
                incoming.written(),
                layer.size
            );
            return Err(Trouble::Broken(Failure::new(
                Reason::SourceUnavailable,
                message,
            )));
        }
        Ok(authorization)
    }
}

fn request<'a>(method: Method, repository: &'a str, digest: &Digest, offset: u64) -> Request<'a> {
    Request {
        method,
        repository,
        path: format!("blobs/{digest}"),
        accept: None,
        offset,
        missing: format!("no layer {digest} in {repository}, although the manifest names it"),
    }
}

/// Whether the response goes on where we stopped. Registries may send all of it instead.
fn continues_at(answer: &Answer, offset: u64) -> bool {
    let response = &answer.response;
    let range = response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|range| range.to_str().ok());
    let begins = range.and_then(|range| {
        range
            .strip_prefix("bytes ")?
            .split_once('-')?
            .0
            .parse::<u64>()
            .ok()
    });
    response.status() == StatusCode::PARTIAL_CONTENT && begins == Some(offset)
}

//! A source of files: Artifactory's generic repositories, or any HTTP server.
//!
//! A file has no digest that it could be asked for by. So the bytes in the cache answer only for a
//! URL that gave them before and that says now that it still has them: by `304 Not Modified`, or by
//! the same sha256 in a header. What a server merely claims is no proof that it holds it, and never
//! makes the cache hand out what came from elsewhere.

use std::{sync::Arc, time::Duration};

use flyte_registration_crd::Reason;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT_ENCODING, IF_NONE_MATCH, IF_RANGE, RANGE},
};
use moka::sync::Cache as Memory;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    ConnectionConfig, CredentialsConfig,
    cache::{Blob, Cache, Incoming, Rejected},
    client::{Answer, Client, Outgoing, Trouble},
    credentials::{Provider, Secret},
    error::Failure,
    names::Digest,
};

mod announced;
mod checksum;

use announced::Announced;

/// A file that comes slower than this many bytes per second is given up.
const SLOWEST: u64 = 64 * 1024;
/// URLs remembered per source. A file whose URL is forgotten is downloaded again.
const REMEMBERED_MAX: u64 = 65_536;

/// A source, ready for use.
pub(super) struct FileSource {
    client: Client,
    provider: Option<Provider>,
    max_package_size: u64,
    /// What each URL gave.
    memory: Memory<Url, Known>,
}

#[derive(Clone)]
struct Known {
    etag: Option<HeaderValue>,
    digest: Digest,
}

impl FileSource {
    pub(super) fn new(
        client: Client,
        connection: &ConnectionConfig,
        credentials: &CredentialsConfig,
    ) -> Self {
        Self {
            client,
            provider: Provider::of(credentials),
            max_package_size: connection.max_package_size,
            memory: Memory::new(REMEMBERED_MAX),
        }
    }

    /// The file at `url`: one request, whose answer brings the file unless it is known already.
    pub(super) async fn fetch(&self, url: &Url, cache: &Arc<Cache>) -> Result<Blob, Failure> {
        let _permit = self.client.throttle().enter().await;
        let known = self.known(url, cache).await?;
        let mut request = self.request(url).await?;
        if let Some(etag) = known.as_ref().and_then(|(known, _)| known.etag.clone()) {
            request.headers.insert(IF_NONE_MATCH, etag);
        }
        let answer = match self.ask(&request).await {
            Err(trouble) if trouble.is_broken() => self.ask(&request).await,
            other => other,
        }?;
        let announced = Announced::by(&answer)?;
        if let Some((known, blob)) = known
            && (answer.response.status() == StatusCode::NOT_MODIFIED
                || announced.sha256.as_ref() == Some(&known.digest))
        {
            return Ok(blob);
        }
        request.headers.remove(IF_NONE_MATCH);
        let (blob, etag) = self.download(request, answer, announced, cache).await?;
        let digest = blob.digest().clone();
        self.memory.insert(url.clone(), Known { etag, digest });
        Ok(blob)
    }

    /// What the URL gave before, if it is still in the cache.
    async fn known(&self, url: &Url, cache: &Arc<Cache>) -> Result<Option<(Known, Blob)>, Failure> {
        let Some(known) = self.memory.get(url) else {
            return Ok(None);
        };
        let blob = cache.get(&known.digest).await.map_err(Failure::cache)?;
        Ok(blob.map(|blob| (known, blob)))
    }

    async fn request(&self, url: &Url) -> Result<Outgoing, Failure> {
        let secret = match &self.provider {
            Some(provider) => Some(provider.read().await?),
            None => None,
        };
        let secret = secret
            .as_ref()
            .and_then(|held| held.secret(self.client.name(), url.path()));
        Ok(Outgoing {
            method: Method::GET,
            url: self.client.contact(url),
            // The digest is that of the file as it is stored.
            headers: HeaderMap::from_iter([(
                ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            )]),
            authorization: secret.map(Secret::header).transpose()?,
            may_leave: true,
        })
    }

    async fn ask(&self, request: &Outgoing) -> Result<Answer, Trouble> {
        let answer = self.client.send(request).await?;
        match answer.response.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::PARTIAL_CONTENT if request.headers.contains_key(RANGE) => Ok(answer),
            StatusCode::NOT_MODIFIED if request.headers.contains_key(IF_NONE_MATCH) => Ok(answer),
            _ => Err(self.client.refusal(answer, "no such package").await.into()),
        }
    }

    /// Reads the file into the cache, in two parts if the connection breaks.
    async fn download(
        &self,
        request: Outgoing,
        answer: Answer,
        announced: Announced,
        cache: &Arc<Cache>,
    ) -> Result<(Blob, Option<HeaderValue>), Failure> {
        let max = self.max_package_size.min(cache.max_size());
        let size = announced.size.unwrap_or(max);
        if size > max {
            return Err(too_large(Some(size), max));
        }
        let begun = cache.begin(announced.size.unwrap_or_default()).await;
        let mut incoming = begun.map_err(Failure::cache)?;
        let longest = self.client.timeout() + Duration::from_secs(size / SLOWEST);
        let filled = timeout_at(
            Instant::now() + longest,
            self.fill(request, answer, announced, max, &mut incoming),
        );
        let announced = filled
            .await
            .map_err(|_| Failure::timed_out(self.client.name(), longest))??;
        let blob = incoming.finish(announced.sha256.as_ref()).await;
        let blob = blob.map_err(|rejected| match rejected {
            Rejected::Digest(actual) => {
                let message = format!(
                    "the package has the digest {actual}, not the one that the source announces"
                );
                Failure::new(Reason::DigestMismatch, message)
            }
            Rejected::Io(error) => Failure::cache(error),
        })?;
        Ok((blob, announced.etag))
    }

    async fn fill(
        &self,
        mut request: Outgoing,
        answer: Answer,
        announced: Announced,
        max: u64,
        incoming: &mut Incoming,
    ) -> Result<Announced, Failure> {
        match self.append(answer, max, incoming).await {
            Ok(()) => return Ok(announced),
            Err(trouble) if !trouble.is_broken() => return Err(trouble.into()),
            Err(_) => {}
        }
        if announced.is_recognizable() {
            let range = format!("bytes={}-", incoming.written());
            request
                .headers
                .extend(HeaderValue::try_from(range).map(|range| (RANGE, range)));
            request
                .headers
                .extend(announced.strong_etag().map(|etag| (IF_RANGE, etag)));
        }
        let answer = self.ask(&request).await?;
        let now = Announced::by(&answer)?;
        let announced = if now.continues(&announced, incoming.written()) {
            announced
        } else if now.is_part() {
            let message = format!("{} sends another part than the missing one", answer.from);
            return Err(Failure::new(Reason::SourceUnavailable, message));
        } else {
            incoming.restart().await.map_err(Failure::cache)?;
            now
        };
        self.append(answer, max, incoming).await?;
        Ok(announced)
    }

    async fn append(
        &self,
        mut answer: Answer,
        max: u64,
        incoming: &mut Incoming,
    ) -> Result<(), Trouble> {
        loop {
            let chunk = async {
                let chunk = answer.response.chunk().await;
                chunk.map_err(|error| Trouble::of(&answer.from, error))
            };
            let Some(chunk) = self.client.in_time(chunk).await? else {
                return Ok(());
            };
            if incoming.written() + chunk.len() as u64 > max {
                return Err(too_large(None, max).into());
            }
            incoming.write(&chunk).await.map_err(Failure::cache)?;
        }
    }
}

fn too_large(size: Option<u64>, max: u64) -> Failure {
    let has = size.map_or_else(|| "more".to_owned(), |size| format!("{size} bytes"));
    let message = format!("the package has {has}, the source allows {max}");
    Failure::new(Reason::PackageTooLarge, message)
}

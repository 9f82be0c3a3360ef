//! One OCI registry.
//!
//! The requests are made here rather than by `oci_client::Client`, whose manifest types and error
//! codes are used: that client reads bodies of any size into memory, drops `Retry-After`, asks
//! `/v2/` before each request to a registry without authentication, follows any redirect, and
//! sends credentials to whatever token service the registry names.

use std::time::Duration;

use flyte_registration_crd::Reason;
use http::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, RANGE},
};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
};
use parking_lot::Mutex;
use reqwest::Response;
use tokio::time::timeout;
use url::Url;

use super::{
    OciConfig,
    credentials::Provider,
    error::Failure,
    layer::{Layer, choose},
    locate::Reference,
    names::Digest,
    proven::Proven,
    throttle::Throttle,
};

pub(crate) mod auth;
mod blob;
mod challenge;
pub(crate) mod wire;

use auth::{Access, Auth, Authorization};
pub use wire::ClientError;

/// Largest manifest (what distribution accepts).
const MANIFEST_MAX: u64 = 4 << 20;

/// A request without a result.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The connection broke: worth another attempt at once.
    Broken(Failure),
    /// Anything else.
    Final(Failure),
}

impl Trouble {
    /// That of a request to `host` which got no answer, or half of one.
    fn of(host: &str, error: reqwest::Error) -> Self {
        let broke = !(error.is_connect()
            || error.is_timeout()
            || error.is_redirect()
            || error.is_builder());
        let failure = Failure::unreachable(host, error);
        if broke {
            Self::Broken(failure)
        } else {
            Self::Final(failure)
        }
    }

    fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let (Trouble::Broken(failure) | Trouble::Final(failure)) = trouble;
        failure
    }
}

/// What a reference leads to.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) manifest: Digest,
    pub(super) layer: Layer,
}

/// A source, ready for use.
pub(super) struct OciSource {
    base: Url,
    host: String,
    http: reqwest::Client,
    auth: Auth,
    throttle: Throttle,
    timeout: Duration,
    max_package_size: u64,
    proven: Mutex<Proven>,
}

/// A request about a repository.
struct Request<'a> {
    method: Method,
    repository: &'a str,
    /// Below the repository.
    path: String,
    accept: &'static [&'static str],
    /// The first byte wanted.
    offset: u64,
    /// What it means if it is not there.
    missing: String,
}

impl OciSource {
    pub(super) fn new(config: &OciConfig) -> Result<Self, ClientError> {
        let connection = &config.connection;
        let base = base_url(config.contact(), connection.plain_http)?;
        let host = config.registry.authority.clone();
        let http = wire::client(connection)?;
        let auth = Auth::new(
            base.clone(),
            host.clone(),
            Provider::of(&config.credentials),
            Access::Pull,
            connection.timeout,
            http.clone(),
        );
        Ok(Self {
            host,
            auth,
            base,
            http,
            throttle: Throttle::new(connection),
            timeout: connection.timeout,
            max_package_size: connection.max_package_size,
            proven: Mutex::default(),
        })
    }

    /// Looks up what `reference` names: one request, after authentication.
    pub(super) async fn resolve(
        &self,
        repository: &str,
        reference: &Reference,
    ) -> Result<Resolved, Failure> {
        let _permit = self.throttle.enter().await;
        let found = match self.resolve_once(repository, reference).await {
            Err(trouble) if trouble.is_broken() => self.resolve_once(repository, reference).await,
            other => other,
        };
        let resolved = found?;
        if resolved.layer.size > self.max_package_size {
            let (size, max) = (resolved.layer.size, self.max_package_size);
            let message = format!("the package has {size} bytes, the source allows {max}");
            return Err(Failure::new(Reason::PackageTooLarge, message));
        }
        Ok(resolved)
    }

    async fn resolve_once(
        &self,
        repository: &str,
        reference: &Reference,
    ) -> Result<Resolved, Trouble> {
        let request = Request {
            method: Method::GET,
            repository,
            path: format!("manifests/{}", reference.as_str()),
            accept: &[
                OCI_IMAGE_MEDIA_TYPE,
                IMAGE_MANIFEST_MEDIA_TYPE,
                OCI_IMAGE_INDEX_MEDIA_TYPE,
                IMAGE_MANIFEST_LIST_MEDIA_TYPE,
            ],
            offset: 0,
            missing: "no such package".to_owned(),
        };
        let (response, _) = self.send(&request).await?;
        let body = self
            .in_time(wire::body(response, MANIFEST_MAX, &self.host))
            .await?;
        let manifest = Digest::of(&body);
        if let Reference::Digest(wanted) = reference
            && manifest != *wanted
        {
            return Err(mismatch("the manifest", wanted, &manifest).into());
        }
        let layer =
            choose(&body).map_err(|problem| Failure::new(Reason::PackageInvalid, problem))?;
        Ok(Resolved { manifest, layer })
    }

    /// Sends, with what the registry wants for authentication. Only success is a response.
    async fn send(&self, request: &Request<'_>) -> Result<(Response, Authorization), Trouble> {
        let mut authorization = self.auth.authorization(request.repository).await?;
        let mut response = self.send_once(request, &authorization).await?;
        // What another host wants, after a redirect, is none of our credentials' business.
        if response.status() == StatusCode::UNAUTHORIZED
            && response.url().origin() == self.base.origin()
        {
            authorization = self
                .auth
                .challenged(request.repository, response.headers(), authorization)
                .await?;
            response = self.send_once(request, &authorization).await?;
        }
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok((response, authorization)),
            _ => Err(wire::refusal(response, &request.missing, &self.host)
                .await
                .into()),
        }
    }

    async fn send_once(
        &self,
        request: &Request<'_>,
        authorization: &Authorization,
    ) -> Result<Response, Trouble> {
        let mut url = self.base.clone();
        // The parts are names in the grammar of registries: nothing in them needs escaping.
        url.set_path(&format!("/v2/{}/{}", request.repository, request.path));
        let mut builder = self.http.request(request.method.clone(), url);
        if !request.accept.is_empty() {
            builder = builder.header(ACCEPT, request.accept.join(", "));
        }
        if let Some(header) = &authorization.header {
            builder = builder.header(AUTHORIZATION, header);
        }
        if request.offset > 0 {
            builder = builder.header(RANGE, format!("bytes={}-", request.offset));
        }
        self.throttle.next_request().await;
        let sent = async {
            let sent = builder.send().await;
            sent.map_err(|error| Trouble::of(&self.host, error))
        };
        self.in_time(sent).await
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let late = |_| Trouble::Final(Failure::timed_out(&self.host, self.timeout));
        timeout(self.timeout, work).await.map_err(late)?
    }
}

/// The URL of a registry.
pub(crate) fn base_url(authority: &str, plain_http: bool) -> Result<Url, url::ParseError> {
    let scheme = if plain_http { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{authority}/"))
}

fn mismatch(what: &str, wanted: &Digest, actual: &Digest) -> Failure {
    Failure::new(
        Reason::DigestMismatch,
        format!("{what} has the digest {actual}, not {wanted}"),
    )
}

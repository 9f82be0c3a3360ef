//! One OCI registry.
//!
//! The requests are made here rather than by `oci_client::Client`, whose manifest types and error
//! codes are used: that client reads bodies of any size into memory, drops `Retry-After`, asks
//! `/v2/` before each request to a registry without authentication, follows any redirect, and
//! sends credentials to whatever token service the registry names.

use std::sync::Arc;

use bytes::Bytes;
use flyte_registration_crd::Reason;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{ACCEPT, RANGE},
};
use parking_lot::Mutex;

use super::{
    OciConfig, SignaturesConfig,
    client::{Answer, Client, ClientError, Outgoing, Trouble, wire},
    credentials::Provider,
    ecr::Ecr,
    error::Failure,
    layer::{Choice, Layer, Origin, choose},
    locate::Reference,
    names::Digest,
    proven::Proven,
};

pub(crate) mod auth;
mod blob;
mod challenge;
mod token;

use auth::{Access, Auth, Authorization};

/// Largest manifest (what distribution accepts).
const MANIFEST_MAX: u64 = 4 << 20;
/// The manifests that the hub understands.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.oci.image.index.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json";

/// What a reference leads to.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// The manifest, or the index, that the reference names.
    pub(super) manifest: Digest,
    pub(super) layer: Layer,
    pub(super) origin: Origin,
}

/// A source, ready for use.
pub(super) struct OciSource {
    client: Arc<Client>,
    auth: Auth,
    max_package_size: u64,
    signatures: Option<SignaturesConfig>,
    proven: Mutex<Proven>,
}

/// A request about a repository.
struct Request<'a> {
    method: Method,
    repository: &'a str,
    /// Below the repository.
    path: String,
    accept: Option<&'static str>,
    /// The first byte wanted.
    offset: u64,
    /// What it means if it is not there.
    missing: String,
}

impl OciSource {
    pub(super) fn new(client: Client, config: &OciConfig) -> Result<Self, ClientError> {
        let client = Arc::new(client);
        let provider = match &config.credentials.ecr {
            Some(ecr) => {
                let ecr = Ecr::new(&config.registry.authority, ecr, &config.connection)?;
                Some(Provider::Ecr(Arc::new(ecr)))
            }
            None => Provider::of(&config.credentials),
        };
        Ok(Self {
            auth: Auth::new(
                Arc::clone(&client),
                provider,
                Access::Pull,
                config.token_realms.clone(),
            ),
            client,
            max_package_size: config.connection.max_package_size,
            signatures: config.signatures.clone(),
            proven: Mutex::default(),
        })
    }

    /// Whose signatures its packages must have.
    pub(super) fn signatures(&self) -> Option<&SignaturesConfig> {
        self.signatures.as_ref()
    }

    /// The way to it.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// What lies at `path` in a repository, if it has at most `max` bytes.
    pub(super) async fn small(
        &self,
        repository: &str,
        path: String,
        accept: Option<&'static str>,
        max: u64,
    ) -> Result<Bytes, Failure> {
        let request = Request {
            method: Method::GET,
            repository,
            path,
            accept,
            offset: 0,
            missing: "no such package".to_owned(),
        };
        let body = match self.whole(&request, max).await {
            Err(trouble) if trouble.is_broken() => self.whole(&request, max).await,
            other => other,
        };
        Ok(body?)
    }

    async fn whole(&self, request: &Request<'_>, max: u64) -> Result<Bytes, Trouble> {
        let (answer, _) = self.send(request).await?;
        let body = wire::body(answer.response, max, &answer.from);
        self.client.in_time(body).await
    }

    /// Looks up what `reference` names: one request, after authentication, and another one where
    /// it names an index.
    pub(super) async fn resolve(
        &self,
        repository: &str,
        reference: &Reference,
    ) -> Result<Resolved, Failure> {
        let _permit = self.client.throttle().enter().await;
        let (manifest, choice) = self.manifest(repository, reference).await?;
        let (layer, origin) = match choice {
            Choice::Layer(layer, origin) => (layer, origin),
            Choice::Manifest(digest, outer) => {
                let (_, choice) = self
                    .manifest(repository, &Reference::Digest(digest))
                    .await?;
                let Choice::Layer(layer, inner) = choice else {
                    let message = "the reference names an index of indexes, not a package";
                    return Err(Failure::new(Reason::PackageInvalid, message));
                };
                (layer, inner.or(outer))
            }
        };
        if layer.size > self.max_package_size {
            let (size, max) = (layer.size, self.max_package_size);
            let message = format!("the package has {size} bytes, the source allows {max}");
            return Err(Failure::new(Reason::PackageTooLarge, message));
        }
        Ok(Resolved {
            manifest,
            layer,
            origin,
        })
    }

    async fn manifest(
        &self,
        repository: &str,
        reference: &Reference,
    ) -> Result<(Digest, Choice), Failure> {
        let found = match self.manifest_once(repository, reference).await {
            Err(trouble) if trouble.is_broken() => self.manifest_once(repository, reference).await,
            other => other,
        };
        Ok(found?)
    }

    async fn manifest_once(
        &self,
        repository: &str,
        reference: &Reference,
    ) -> Result<(Digest, Choice), Trouble> {
        let request = Request {
            method: Method::GET,
            repository,
            path: format!("manifests/{}", reference.as_str()),
            accept: Some(MANIFESTS),
            offset: 0,
            missing: "no such package".to_owned(),
        };
        let (answer, _) = self.send(&request).await?;
        let body = wire::body(answer.response, MANIFEST_MAX, &answer.from);
        let body = self.client.in_time(body).await?;
        let manifest = Digest::of(&body);
        if let Reference::Digest(wanted) = reference
            && manifest != *wanted
        {
            return Err(mismatch("the manifest", wanted, &manifest).into());
        }
        let choice =
            choose(&body).map_err(|problem| Failure::new(Reason::PackageInvalid, problem))?;
        Ok((manifest, choice))
    }

    /// Sends, with what the registry wants for authentication. Only success is an answer.
    async fn send(&self, request: &Request<'_>) -> Result<(Answer, Authorization), Trouble> {
        let mut authorization = self.auth.authorization(request.repository).await?;
        let mut answer = self.send_once(request, &authorization).await?;
        // What another host wants, after a redirect, is none of our credentials' business.
        if answer.response.status() == StatusCode::UNAUTHORIZED && answer.own {
            let headers = answer.response.headers();
            authorization = self
                .auth
                .challenged(request.repository, headers, authorization)
                .await?;
            answer = self.send_once(request, &authorization).await?;
        }
        match answer.response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok((answer, authorization)),
            _ => Err(self.client.refusal(answer, &request.missing).await.into()),
        }
    }

    async fn send_once(
        &self,
        request: &Request<'_>,
        authorization: &Authorization,
    ) -> Result<Answer, Trouble> {
        let mut url = self.client.base().clone();
        // The parts are names in the grammar of registries: nothing in them needs escaping.
        url.set_path(&format!("/v2/{}/{}", request.repository, request.path));
        let mut headers = HeaderMap::new();
        headers.extend(
            request
                .accept
                .map(|accept| (ACCEPT, HeaderValue::from_static(accept))),
        );
        if request.offset > 0 {
            let range = HeaderValue::try_from(format!("bytes={}-", request.offset));
            headers.extend(range.map(|range| (RANGE, range)));
        }
        let outgoing = Outgoing {
            method: request.method.clone(),
            url,
            headers,
            authorization: authorization.header.clone(),
            // Registries keep blobs elsewhere: ECR in S3, GHCR on a host of its own.
            may_leave: request.path.starts_with("blobs/"),
        };
        self.client.send(&outgoing).await
    }
}

fn mismatch(what: &str, wanted: &Digest, actual: &Digest) -> Failure {
    Failure::new(
        Reason::DigestMismatch,
        format!("{what} has the digest {actual}, not {wanted}"),
    )
}

//! A registry in this process, with faults to order and a memory of what it was asked.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flyte_registration_hub::source::Digest;
use futures::StreamExt as _;
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// What a request gets instead of the right answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, with a header.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// That much of the body, then the connection breaks.
    BreakAfter(usize),
    /// Another body.
    Body(Bytes),
    /// That much of the body, then nothing more.
    StallAfter(usize),
    /// Another body, whose length is not announced.
    Unannounced(Bytes),
    /// A redirect to there.
    Redirect(String),
    /// A 401 with this challenge.
    Challenge(String),
}

/// How the registry wants to be authenticated to.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// Not at all.
    #[default]
    Open,
    /// By user and password.
    Basic,
    /// By tokens of its own service, for those with user and password.
    Token,
    /// By tokens of its own service, for everyone.
    PublicToken,
}

/// A file, as a server of files has it.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub content: Bytes,
    /// With its quotes.
    pub etag: Option<&'static str>,
    /// Sent with each answer.
    pub headers: Vec<(&'static str, String)>,
}

impl File {
    /// One that says nothing about itself.
    pub fn bare(content: &[u8]) -> Self {
        Self {
            content: Bytes::copy_from_slice(content),
            ..Self::default()
        }
    }

    pub fn with_etag(self, etag: &'static str) -> Self {
        Self {
            etag: Some(etag),
            ..self
        }
    }

    /// Announces the sha256 of `content` as Artifactory does.
    pub fn with_checksum_of(mut self, content: &[u8]) -> Self {
        let digest = Digest::of(content).hex().to_owned();
        self.headers.push(("x-checksum-sha256", digest));
        self
    }

    fn answer(&self, headers: &HeaderMap) -> Answer {
        let asked = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut more = self.headers.clone();
        more.extend(self.etag.map(|etag| ("etag", etag.to_owned())));
        if self.etag.is_some() && asked("if-none-match") == self.etag {
            return (304, more, Bytes::new());
        }
        let unchanged = asked("if-range").is_none() || asked("if-range") == self.etag;
        let offset = asked("range").and_then(|range| {
            let offset = range.strip_prefix("bytes=")?.strip_suffix('-')?;
            offset.parse::<usize>().ok()
        });
        if let Some(offset) = offset.filter(|_| unchanged) {
            let size = self.content.len();
            more.push((
                "content-range",
                format!("bytes {offset}-{}/{size}", size - 1),
            ));
            return (206, more, self.content.slice(offset..));
        }
        (200, more, self.content.clone())
    }
}

#[derive(Default)]
struct Inner {
    files: HashMap<String, File>,
    manifests: HashMap<(String, String), Bytes>,
    blobs: HashMap<(String, String), Bytes>,
    access: Access,
    password: String,
    /// Tokens with another number are not valid any more.
    token_number: usize,
    /// What a request whose path contains the text gets, that often.
    faults: Vec<(&'static str, usize, Fault)>,
    log: Vec<Asked>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
}

#[derive(Clone, Default)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    in_flight: Arc<AtomicUsize>,
    most_in_flight: Arc<AtomicUsize>,
}

/// The registry.
pub struct Registry {
    pub authority: String,
    shared: Shared,
}

pub const USER: &str = "robot";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

impl Registry {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        Self::serve(listener, authority)
    }

    /// Starts one on a listener of one's own.
    pub fn serve<L>(listener: L, authority: String) -> Self
    where
        L: axum::serve::Listener,
        L::Addr: std::fmt::Debug,
    {
        let shared = Shared::default();
        let app = Router::new()
            .fallback(answer)
            .with_state((shared.clone(), authority.clone()));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { authority, shared }
    }

    /// Puts a blob into a repository.
    pub fn blob(&self, repository: &str, content: &[u8]) {
        let key = (repository.to_owned(), Digest::of(content).to_string());
        self.shared
            .inner
            .lock()
            .blobs
            .insert(key, Bytes::copy_from_slice(content));
    }

    /// Puts a manifest into a repository, and says its digest.
    pub fn manifest(&self, repository: &str, tag: &str, manifest: &Value) -> Digest {
        let bytes = Bytes::from(manifest.to_string());
        let digest = Digest::of(&bytes);
        let mut inner = self.shared.inner.lock();
        inner
            .manifests
            .insert((repository.to_owned(), tag.to_owned()), bytes.clone());
        inner
            .manifests
            .insert((repository.to_owned(), digest.to_string()), bytes);
        digest
    }

    /// Puts a package into a repository, and says its manifest's digest.
    pub fn package(&self, repository: &str, tag: &str, content: &[u8]) -> Digest {
        self.blob(repository, content);
        self.manifest(repository, tag, &manifest(content, content.len()))
    }

    /// Puts a file at a path.
    pub fn file(&self, path: &str, file: File) {
        self.shared.inner.lock().files.insert(path.to_owned(), file);
    }

    pub fn access(&self, access: Access, password: &str) {
        let mut inner = self.shared.inner.lock();
        inner.access = access;
        password.clone_into(&mut inner.password);
    }

    /// Makes all tokens given out so far void.
    pub fn revoke_tokens(&self) {
        self.shared.inner.lock().token_number += 1;
    }

    /// The next `times` requests whose path contains `path` get `fault`.
    pub fn fault(&self, path: &'static str, times: usize, fault: Fault) {
        self.shared.inner.lock().faults.push((path, times, fault));
    }

    /// No more faults than so far.
    pub fn forget_faults(&self) {
        self.shared.inner.lock().faults.clear();
    }

    /// Everything that was asked since the last call, as `GET /v2/…`.
    pub fn asked(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .map(|asked| format!("{} {}", asked.method, asked.path))
            .collect()
    }

    /// Everything that was asked since the last call.
    pub fn requests(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.inner.lock().log)
    }

    /// Most requests that were answered at a time.
    pub fn most_in_flight(&self) -> usize {
        self.shared.most_in_flight.load(Ordering::SeqCst)
    }
}

/// The manifest of a package.
pub fn manifest(content: &[u8], size: usize) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").as_str(), "size": 2},
        "layers": [{"mediaType": LAYER, "digest": Digest::of(content).as_str(), "size": size}],
    })
}

async fn answer(State((shared, authority)): State<(Shared, String)>, request: Request) -> Response {
    let now = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    shared.most_in_flight.fetch_max(now, Ordering::SeqCst);
    tokio::task::yield_now().await;
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 30).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let mut inner = shared.inner.lock();
    inner.log.push(Asked {
        method: parts.method.clone(),
        path: path.clone(),
        headers: parts.headers.clone(),
    });
    let fault = inner.take_fault(&path);
    let response = match fault {
        Some(Fault::Status(code, headers)) => {
            let builder = Response::builder().status(code);
            headers
                .iter()
                .fold(builder, |builder, (name, value)| {
                    builder.header(*name, *value)
                })
                .body(Body::empty())
                .unwrap()
        }
        Some(Fault::Redirect(to)) => with(307, &[("location", &to)], Bytes::new()),
        Some(Fault::Challenge(challenge)) => {
            with(401, &[("www-authenticate", &challenge)], Bytes::new())
        }
        Some(Fault::Body(body)) => with(200, &[], body),
        Some(Fault::Unannounced(body)) => {
            let body = futures::stream::iter([Ok::<_, std::io::Error>(body)]);
            Response::new(Body::from_stream(body))
        }
        Some(Fault::BreakAfter(length)) => {
            let whole = inner.handle(&authority, &parts.method, &path, &parts.headers, body);
            cut(whole, length, false)
        }
        Some(Fault::StallAfter(length)) => {
            let whole = inner.handle(&authority, &parts.method, &path, &parts.headers, body);
            cut(whole, length, true)
        }
        None => {
            let (code, headers, body) =
                inner.handle(&authority, &parts.method, &path, &parts.headers, body);
            let headers: Vec<_> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            with(code, &headers, body)
        }
    };
    drop(inner);
    shared.in_flight.fetch_sub(1, Ordering::SeqCst);
    response
}

type Answer = (u16, Vec<(&'static str, String)>, Bytes);

fn with(code: u16, headers: &[(&str, &str)], body: Bytes) -> Response {
    let builder = Response::builder().status(code);
    headers
        .iter()
        .fold(builder, |builder, (name, value)| {
            builder.header(*name, *value)
        })
        .body(Body::from(body))
        .unwrap()
}

/// Announces all of the body, and sends only its beginning.
fn cut((code, headers, body): Answer, length: usize, stall: bool) -> Response {
    let first = futures::stream::iter([Ok(body.slice(..length.min(body.len())))]);
    let rest = futures::stream::once(async move {
        // What stands so far is flushed.
        tokio::task::yield_now().await;
        if stall {
            std::future::pending::<()>().await;
        }
        Err(std::io::Error::other("cut"))
    });
    let builder = Response::builder()
        .status(code)
        .header("content-length", body.len());
    let builder = headers.into_iter().fold(builder, |builder, (name, value)| {
        builder.header(name, value)
    });
    builder.body(Body::from_stream(first.chain(rest))).unwrap()
}

impl Inner {
    fn take_fault(&mut self, path: &str) -> Option<Fault> {
        let (_, times, fault) = self
            .faults
            .iter_mut()
            .find(|(part, times, _)| *times > 0 && path.contains(part))?;
        *times -= 1;
        Some(fault.clone())
    }

    fn handle(
        &mut self,
        authority: &str,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Answer {
        let authorization = headers
            .get("authorization")
            .and_then(|header| header.to_str().ok())
            .unwrap_or_default();
        let basic = format!(
            "Basic {}",
            STANDARD.encode(format!("{USER}:{}", self.password))
        );
        let token = format!("Bearer token-{}", self.token_number);
        let challenge = match self.access {
            Access::Basic if authorization != basic => "Basic realm=\"fake\"".to_owned(),
            Access::Token | Access::PublicToken if path.starts_with("/token") => {
                let public = matches!(self.access, Access::PublicToken);
                if !public && authorization != basic {
                    return (401, vec![], Bytes::new());
                }
                let token = format!("token-{}", self.token_number);
                let answer = json!({"token": token, "access_token": token, "expires_in": 300});
                return (200, vec![], answer.to_string().into());
            }
            Access::Token | Access::PublicToken if authorization != token => {
                format!("Bearer realm=\"http://{authority}/token\",service=\"fake\"")
            }
            _ => return self.serve(method, path, headers, body),
        };
        (401, vec![("www-authenticate", challenge)], Bytes::new())
    }

    fn serve(&mut self, method: &Method, path: &str, headers: &HeaderMap, body: Bytes) -> Answer {
        let not_found = |code| {
            let errors = json!({"errors": [{"code": code, "message": "nothing here"}]});
            (404, vec![], Bytes::from(errors.to_string()))
        };
        if !path.starts_with("/v2/") {
            let file = self.files.get(path);
            return file.map_or_else(|| not_found("none"), |file| file.answer(headers));
        }
        let rest = path.strip_prefix("/v2/").unwrap_or_default();
        if let Some((repository, reference)) = rest.split_once("/manifests/") {
            if method == Method::PUT {
                let digest = Digest::of(&body).to_string();
                self.manifests
                    .insert((repository.to_owned(), reference.to_owned()), body.clone());
                self.manifests
                    .insert((repository.to_owned(), digest.clone()), body);
                return (
                    201,
                    vec![("location", format!("/v2/{repository}/manifests/{digest}"))],
                    Bytes::new(),
                );
            }
            let found = self
                .manifests
                .get(&(repository.to_owned(), reference.to_owned()));
            return found.map_or_else(
                || not_found("MANIFEST_UNKNOWN"),
                |manifest| (200, vec![], manifest.clone()),
            );
        }
        if let Some((repository, upload)) = rest.split_once("/blobs/uploads/") {
            if method == Method::POST {
                return (
                    202,
                    vec![("location", format!("/v2/{repository}/blobs/uploads/1"))],
                    Bytes::new(),
                );
            }
            let digest = upload.split_once("digest=").unwrap().1.replace("%3A", ":");
            assert_eq!(
                digest,
                Digest::of(&body).as_str(),
                "what was pushed is not what was announced"
            );
            self.blobs
                .insert((repository.to_owned(), digest.clone()), body);
            return (
                201,
                vec![("location", format!("/v2/{repository}/blobs/{digest}"))],
                Bytes::new(),
            );
        }
        if let Some((repository, digest)) = rest.split_once("/blobs/") {
            let Some(blob) = self.blobs.get(&(repository.to_owned(), digest.to_owned())) else {
                return not_found("BLOB_UNKNOWN");
            };
            let offset = headers.get("range").and_then(|range| {
                range
                    .to_str()
                    .ok()?
                    .strip_prefix("bytes=")?
                    .strip_suffix('-')
            });
            if let Some(offset) = offset.and_then(|offset| offset.parse::<usize>().ok()) {
                let range = format!("bytes {offset}-{}/{}", blob.len() - 1, blob.len());
                return (206, vec![("content-range", range)], blob.slice(offset..));
            }
            return (200, vec![], blob.clone());
        }
        if rest.is_empty() {
            (200, vec![], Bytes::new())
        } else {
            (StatusCode::BAD_REQUEST.as_u16(), vec![], Bytes::new())
        }
    }
}

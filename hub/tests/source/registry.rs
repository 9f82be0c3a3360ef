//! A registry in this process, with faults to order and a memory of what it was asked.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use flyte_registration_hub::source::Digest;
use futures::StreamExt as _;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use serde_json::{Value, json};

mod content;
mod file;

use content::Content;
pub use file::File;

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

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
}

#[derive(Clone, Default)]
struct Shared {
    inner: Arc<Mutex<Content>>,
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

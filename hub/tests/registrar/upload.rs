//! Packages that bring their code along, and a storage that answers as it is told.

use std::{
    collections::VecDeque,
    io::{self, Read},
    net::SocketAddr,
    sync::Arc,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use flyte_registration_crd::Reason;
use flyte_registration_fixtures::builder::{Files, gzip, launch_plan, package, runs, workflow};
use flyte_registration_hub::{package::Plan, registrar::Report};
use flyte_registration_proto::flyteidl::core::task_template;
use flyteadmin_emulator::Options;
use parking_lot::Mutex;

use super::{Peer, creates, peer_with, planned, refused::runnable, target};

const NAME: &str = "fast0a1b.tar.gz";

/// What a storage was sent.
#[derive(Clone, Debug)]
struct Put {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// An in-process storage: it keeps what it gets, and answers as told, else with 200.
#[derive(Clone, Default)]
struct Storage(Arc<Mutex<(VecDeque<u16>, Vec<Put>)>>);

impl Storage {
    async fn start(answers: &[u16]) -> (Self, SocketAddr) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let storage = Self::default();
        storage.0.lock().0.extend(answers);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .fallback(put)
            .layer(DefaultBodyLimit::disable())
            .with_state(storage.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (storage, address)
    }

    fn puts(&self) -> Vec<Put> {
        self.0.lock().1.clone()
    }
}

async fn put(
    State(storage): State<Storage>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    if method != Method::PUT || headers.contains_key("transfer-encoding") {
        return (StatusCode::METHOD_NOT_ALLOWED, String::new());
    }
    let mut state = storage.0.lock();
    let status = StatusCode::from_u16(state.0.pop_front().unwrap_or(200)).unwrap();
    let path = uri.path().to_owned();
    state.1.push(Put {
        path,
        headers,
        body,
    });
    let signature = uri.query().unwrap_or_default();
    let text = format!("<Error><Code>AccessDenied</Code><Q>{signature}</Q></Error>");
    (status, text)
}

/// A package of one task that runs its code, with a workflow and a launch plan.
fn with_code(code: &[u8]) -> Vec<u8> {
    let mut task = runnable("etl.t");
    let template = task.template.as_mut().unwrap();
    let Some(task_template::Target::Container(container)) = &mut template.target else {
        panic!("no container");
    };
    let args = ["pyflyte-fast-execute", "{{ .remote_package_path }}", "--"];
    container.args = args.map(str::to_owned).to_vec();
    let files = Files::default()
        .task(&task)
        .workflow(&workflow("etl.w", [runs("etl.t")]))
        .launch_plan(&launch_plan("etl.w", "etl.w"));
    let files = files.0.iter();
    let files = files.map(|(name, content)| (name.as_str(), content.clone()));
    package(files.chain([(NAME, gzip(code))]))
}

/// More than fits into all buffers on the way, and not the same everywhere.
fn code() -> Vec<u8> {
    (0_u32..3 << 20)
        .map(|n| (n >> 9).to_le_bytes()[0])
        .collect()
}

async fn peer_storing_at(address: Option<SocketAddr>) -> Peer {
    let options = Options {
        storage_endpoint: address.map(|address| format!("http://{address}")),
        ..Options::default()
    };
    peer_with(&options, |_| {}).await
}

async fn register(peer: &Peer, plan: &Plan, package: &[u8]) -> Report {
    let package = package.to_vec();
    let open = move || Ok(Box::new(io::Cursor::new(package.clone())) as Box<dyn Read + Send>);
    peer.registrar.register_from(plan, &open).await
}

fn locations(peer: &Peer) -> (u64, u64) {
    let counts = peer.counts();
    let asked = counts.by_rpc.get("CreateUploadLocation");
    let asked = asked.copied().unwrap_or_default();
    (asked, creates(&counts) - asked)
}

#[tokio::test]
async fn code_is_uploaded_once_as_an_uncompressed_tar() {
    let (storage, address) = Storage::start(&[]).await;
    let peer = peer_storing_at(Some(address)).await;
    let package = with_code(&code());
    let plan = planned(&package, &target("v1"));
    let report = register(&peer, &plan, &package).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.counts.created, 3);
    assert_eq!(locations(&peer), (1, 3));

    let puts = storage.puts();
    assert_eq!(puts.len(), 1);
    assert!(puts[0].path.ends_with(NAME), "{}", puts[0].path);
    assert!(puts[0].body == code(), "another body");
    assert_eq!(puts[0].headers["content-length"], (3 << 20).to_string());
    let md5 = plan.code.as_ref().unwrap().md5;
    assert_eq!(puts[0].headers["content-md5"], BASE64_STANDARD.encode(md5));

    // Asking where it lies proves that nothing has changed.
    let report = register(&peer, &plan, &package).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.counts.unchanged, 3);
    let counts = peer.counts();
    assert_eq!(counts.by_rpc["CreateUploadLocation"], 1);
    assert!(!counts.by_rpc.contains_key("CreateTask"), "{counts:?}");
    assert_eq!(storage.puts().len(), 1);

    // Another version of the same code is uploaded again: nobody knows of the other.
    let plan = planned(&package, &target("v2"));
    let report = register(&peer, &plan, &package).await;
    assert_eq!(report.failure, None);
    assert_eq!(storage.puts().len(), 2);

    // Other code under a version that is taken is another content.
    let other = with_code(b"other");
    let report = register(&peer, &planned(&other, &target("v1")), &other).await;
    assert_eq!(report.failure.unwrap().reason, Reason::VersionConflict);
}

#[tokio::test]
async fn each_attempt_has_a_fresh_url_and_201_is_fine() {
    let (storage, address) = Storage::start(&[403, 500, 201]).await;
    let peer = peer_storing_at(Some(address)).await;
    let package = with_code(&code());
    let plan = planned(&package, &target("v1"));
    let report = register(&peer, &plan, &package).await;
    assert_eq!(report.failure, None);
    assert_eq!(locations(&peer), (3, 3));
    assert_eq!(storage.puts().len(), 3);
}

#[tokio::test]
async fn a_storage_that_goes_on_refusing_is_told_without_its_secrets() {
    let (storage, address) = Storage::start(&[403; 20]).await;
    let peer = peer_storing_at(Some(address)).await;
    let package = with_code(b"code");
    let plan = planned(&package, &target("v1"));
    let failure = register(&peer, &plan, &package).await.failure.unwrap();
    assert_eq!(failure.reason, Reason::FlyteUnavailable);
    assert_eq!(
        failure.message,
        "the code cannot be uploaded to FlyteAdmin's storage: it answers 403 Forbidden AccessDenied"
    );
    assert_eq!(storage.puts().len(), 5);
    assert_eq!(locations(&peer), (5, 0));
}

#[tokio::test]
async fn too_large_for_the_storage_is_final() {
    let (storage, address) = Storage::start(&[413]).await;
    let peer = peer_storing_at(Some(address)).await;
    let package = with_code(b"code");
    let plan = planned(&package, &target("v1"));
    let failure = register(&peer, &plan, &package).await.failure.unwrap();
    assert_eq!(failure.reason, Reason::PackageTooLarge);
    assert_eq!(storage.puts().len(), 1);
}

#[tokio::test]
async fn no_storage_to_reach_or_none_at_all() {
    let (_, nobody) = Storage::start(&[]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = free.local_addr().unwrap();
    drop(free);
    assert_ne!(nobody, closed);
    let package = with_code(b"code");
    let plan = planned(&package, &target("v1"));
    for (address, asked, told) in [
        (Some(closed), 5, "Connection refused"),
        // A storage that signs no URLs: asking again would not help.
        (None, 1, "failed to create a signed url"),
    ] {
        let peer = peer_storing_at(address).await;
        let failure = register(&peer, &plan, &package).await.failure.unwrap();
        assert_eq!(failure.reason, Reason::FlyteUnavailable);
        assert!(failure.message.contains(told), "{}", failure.message);
        assert!(!failure.message.contains("X-Amz"), "{}", failure.message);
        assert_eq!(locations(&peer), (asked, 0));
    }
    let peer = peer_storing_at(Some(nobody)).await;
    peer.fault(r#"{"rpc": "CreateUploadLocation", "action": {"fail": {"code": 12}}}"#);
    let failure = register(&peer, &plan, &package).await.failure.unwrap();
    assert_eq!(failure.reason, Reason::FlyteUnavailable);
    assert!(
        failure.message.ends_with("it takes no uploads"),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_package_that_is_gone_is_fetched_again_later() {
    let (storage, address) = Storage::start(&[]).await;
    let peer = peer_storing_at(Some(address)).await;
    let package = with_code(&code());
    let plan = planned(&package, &target("v1"));
    let cut = &package[..package.len() / 2];
    let reports = [
        peer.registrar.register(&plan).await,
        register(&peer, &plan, cut).await,
    ];
    for report in reports {
        let failure = report.failure.unwrap();
        assert_eq!(failure.reason, Reason::SourceUnavailable);
    }
    assert_eq!(storage.puts().len(), 0);
    assert_eq!(locations(&peer), (2, 0));
}

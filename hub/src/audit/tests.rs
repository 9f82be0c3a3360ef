//! From an event to the sinks, with a webhook of our own that can be told to fail.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::*;

/// Longer than any of it takes.
const SOON: Duration = Duration::from_secs(20);

/// What the webhook got.
#[derive(Debug, Default)]
struct Got {
    requests: Mutex<Vec<(HeaderMap, Bytes)>>,
    /// How many requests are refused yet, and with what.
    refusals: AtomicU64,
    changed: Notify,
}

impl Got {
    /// The events of the requests that were taken, in order.
    fn events(&self) -> Vec<Value> {
        let requests = self.requests.lock();
        let batches = requests
            .iter()
            .map(|(_, body)| serde_json::from_slice::<Vec<Value>>(body).unwrap());
        batches.flatten().collect()
    }

    async fn until(&self, done: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if done(self) {
                    return;
                }
                changed.await;
            }
        };
        timeout(SOON, wait).await.unwrap();
    }
}

async fn take(State(got): State<Arc<Got>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let refused = got.refusals.load(Ordering::SeqCst);
    let status = if refused > 0 {
        got.refusals.store(refused - 1, Ordering::SeqCst);
        StatusCode::PAYLOAD_TOO_LARGE
    } else {
        got.requests.lock().push((headers, body));
        StatusCode::NO_CONTENT
    };
    got.changed.notify_waiters();
    status
}

/// A webhook on `listener`.
fn serve(listener: TcpListener, got: &Arc<Got>) -> JoinHandle<()> {
    let routes = Router::new()
        .route("/", post(take))
        .with_state(Arc::clone(got));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() })
}

struct Hub {
    audit: Audit,
    metrics: AuditMetrics,
    running: JoinHandle<()>,
}

impl Hub {
    async fn start(dir: &Path, config: &AuditConfig) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let metrics = AuditMetrics::default();
        let (audit, recorder) = Audit::open(config, dir, metrics.clone()).await.unwrap();
        let running = tokio::spawn(recorder.run(CancellationToken::new()));
        Self {
            audit,
            metrics,
            running,
        }
    }

    /// As kill -9 would: nothing is finished.
    async fn kill(self) {
        self.running.abort();
        let _ = self.running.await;
    }
}

fn config(webhook: Option<Value>) -> AuditConfig {
    AuditConfig {
        stdout: false,
        webhook: webhook.map(|webhook| serde_json::from_value(webhook).unwrap()),
        ..AuditConfig::default()
    }
}

fn token(dir: &Path) -> std::path::PathBuf {
    let file = dir.join("token");
    std::fs::write(&file, "the-token\n").unwrap();
    file
}

fn event(number: usize) -> Event {
    Event {
        id: format!("id-{number}"),
        time: Timestamp::now(),
        kind: Kind::RegistrationStarted,
        about: About::default(),
        data: json!({"number": number}),
    }
}

fn ids(events: &[Value]) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for event in events {
        *ids.entry(event["id"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    ids
}

#[tokio::test]
async fn a_thousand_events_at_once_wait_for_few_commits() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), &config(None)).await;
    let all = (0..1000).map(|number| hub.audit.record(vec![event(number)]));
    for recorded in futures::future::join_all(all).await {
        recorded.unwrap();
    }
    let commits = hub.metrics.commits();
    assert!(commits <= 20, "{commits} commits");
    let all = store::history::Filter::default();
    let page = hub.audit.store().history(&all, None, 2000).await.unwrap();
    assert_eq!(page.events.len(), 1000);
}

#[tokio::test]
async fn batches_are_cloud_events_and_shown_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let got = Arc::default();
    let _server = serve(listener, &got);
    let webhook = json!({"url": url, "tokenFile": token(dir.path()), "batch": 3});
    let hub = Hub::start(dir.path(), &config(Some(webhook))).await;
    // The first request is too large, and so its events come by ones.
    got.refusals.store(1, Ordering::SeqCst);
    hub.audit.record((0..7).map(event).collect()).await.unwrap();
    got.until(|got| got.events().len() == 7).await;
    let (headers, body) = got.requests.lock()[0].clone();
    assert_eq!(
        serde_json::from_slice::<Value>(&body)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        headers["content-type"],
        "application/cloudevents-batch+json; charset=utf-8"
    );
    assert_eq!(headers["authorization"], "Bearer the-token");
    let events = got.events();
    let numbers: Vec<_> = events
        .iter()
        .map(|event| event["data"]["number"].as_u64())
        .collect();
    assert_eq!(numbers, (0..7).map(Some).collect::<Vec<_>>());
    assert_eq!(events[0]["specversion"], "1.0");
}

#[tokio::test]
async fn requests_are_signed() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let got = Arc::default();
    let _server = serve(listener, &got);
    let secret = "a secret of at least that many bytes";
    let file = dir.path().join("secret");
    std::fs::write(&file, secret).unwrap();
    let webhook = json!({"url": url, "signingSecretFile": file});
    let hub = Hub::start(dir.path(), &config(Some(webhook))).await;
    hub.audit.record(vec![event(0)]).await.unwrap();
    got.until(|got| got.events().len() == 1).await;
    let (headers, body) = got.requests.lock()[0].clone();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let timestamp = header("webhook-timestamp").parse().unwrap();
    let expected = sink::sign(secret, &header("webhook-id"), timestamp, &body).unwrap();
    assert_eq!(header("webhook-signature"), expected);
    assert!(!headers.contains_key("authorization"));
}

/// The webhook is away; the hub is killed twice meanwhile; then the webhook comes back.
#[tokio::test]
async fn whatever_was_on_record_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = away.local_addr().unwrap();
    drop(away);
    let webhook = json!({"url": format!("http://{address}/"), "tokenFile": token(dir.path()), "retryMax": "1s"});
    let config = config(Some(webhook));
    for hub in 0..2 {
        let numbers = hub * 300..(hub + 1) * 300;
        let hub = Hub::start(dir.path(), &config).await;
        for number in numbers {
            hub.audit.record(vec![event(number)]).await.unwrap();
        }
        hub.kill().await;
    }
    let got = Arc::<Got>::default();
    let _server = serve(TcpListener::bind(address).await.unwrap(), &got);
    let hub = Hub::start(dir.path(), &config).await;
    got.until(|got| ids(&got.events()).len() == 600).await;
    let store = hub.audit.store();
    let delivered = async {
        while store.backlog("webhook").await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, delivered).await.unwrap();
}

/// Nothing more is done at the bound, what has begun finds room, and all goes on by itself.
#[tokio::test]
async fn at_the_bound_nothing_more_begins_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = away.local_addr().unwrap();
    drop(away);
    let webhook = json!({"url": format!("http://{address}/"), "tokenFile": token(dir.path()), "retryMax": "1s"});
    let config = AuditConfig {
        max_size: 4096,
        ..config(Some(webhook))
    };
    let hub = Hub::start(dir.path(), &config).await;
    let mut numbers = 0..;
    let mut kept = 0;
    let full = loop {
        let number = numbers.next().unwrap();
        match hub.audit.record(vec![event(number)]).await {
            Ok(()) => kept += 1,
            Err(full) => break full,
        }
        assert!(number < 1000, "it is never full");
    };
    assert_eq!(full, Unavailable::Full);
    hub.audit.record_end(vec![event(5000)]).await.unwrap();
    kept += 1;

    let got = Arc::<Got>::default();
    let _server = serve(TcpListener::bind(address).await.unwrap(), &got);
    got.until(|got| ids(&got.events()).len() == kept).await;
    let again = async {
        while hub.audit.record(vec![event(6000)]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, again).await.unwrap();
    got.until(|got| ids(&got.events()).contains_key("id-6000"))
        .await;
}

#[tokio::test]
async fn a_disk_that_fails_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), &config(None)).await;
    hub.audit.store().break_it().await;
    let recorded = hub.audit.record(vec![event(0)]).await;
    assert_eq!(recorded, Err(Unavailable::Failing));
}

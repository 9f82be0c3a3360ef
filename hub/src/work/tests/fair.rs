//! What one tenant's ten thousand resources cost another's single one.

use std::time::Instant;

use axum::Router;
use flyte_registration_fixtures::packages::ETL;
use flyte_registration_proto::hub::v1 as proto;
use flyteadmin_emulator::{Emulator, Options};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;
use crate::fleet::{Observed, Scope, Up};

const MANY: usize = 10_000;
const SLOTS: usize = 64;
const ROUNDS: usize = 10;

struct Load {
    fleet: FleetHandle,
    stop: CancellationToken,
    _dir: tempfile::TempDir,
    _emulator: Emulator,
}

/// A server that answers with the same package whatever it is asked for.
async fn files() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(|| async { ETL });
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

impl Load {
    async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let emulator = Emulator::start(&Options::default()).await.unwrap();
        let tenant = |namespaces: &str| {
            json!({
                "clusters": ["*"], "namespaces": [namespaces], "flyteAdmin": "main", "projects": ["*"],
                "domains": ["*"], "sources": ["files"], "defaultSource": "files", "images": ["*"],
            })
        };
        let config: Config = serde_json::from_value(json!({
            "cache": {"dir": dir.path().join("cache")},
            "tenants": {"many": tenant("many-*"), "one": tenant("one")},
            "sources": {"files": {"kind": "http", "url": files().await, "plainHttp": true}},
            "flyteAdmins": {"main": {"endpoint": emulator.grpc.to_string(), "insecure": true}},
        }))
        .unwrap();
        let settings = Settings {
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_secs(1),
            max_objects: MANY,
            places: SLOTS,
        };
        let policy = Policy::new(&config, receipt::Key::new(&[1; 32]));
        let fleet = FleetHandle::new(Fleet::new(policy, settings));
        for cluster in ["many", "one"] {
            let session = Uuid::nil();
            fleet.with(|fleet, now| {
                fleet.open(&cluster.into(), cluster, Scope::default(), session, now);
            });
        }
        let metrics = Arc::new(Metrics::new(fleet.clone()));
        let audit = AuditConfig {
            stdout: false,
            ..AuditConfig::default()
        };
        let (audit, recorder) = Audit::open(&audit, dir.path(), metrics.audit())
            .await
            .unwrap();
        tokio::spawn(recorder.run(CancellationToken::new()));
        let cache = Blobs::open(&config.cache).unwrap();
        let parts = Parts::new(&config, cache).unwrap();
        let runner = Arc::new(Runner::new(fleet.clone(), parts, metrics, audit));
        let stop = CancellationToken::new();
        tokio::spawn(runner.run(SLOTS, stop.clone()));
        Self {
            fleet,
            stop,
            _dir: dir,
            _emulator: emulator,
        }
    }

    /// A new resource of its own version.
    fn apply(&self, cluster: &str, namespace: &str, number: usize) {
        let spec = json!({
            "workflowProject": "flytesnacks", "workflowDomain": "development",
            "workflowVersion": format!("{cluster}-{number}"), "workflowPackageUri": "etl",
        });
        let (key, observed) = Observed::from_proto(proto::Object {
            key: Some(proto::ObjectKey {
                namespace: namespace.to_owned(),
                name: format!("r-{number}"),
            }),
            uid: format!("{cluster}-{number}"),
            generation: 1,
            spec_json: spec.to_string().into(),
            ..proto::Object::default()
        })
        .unwrap();
        let up = Up::Changed(key, Box::new(observed));
        self.fleet.with(|fleet, now| {
            fleet
                .receive(&cluster.into(), Uuid::nil(), up, now)
                .unwrap();
        });
    }

    fn registered(&self, cluster: &str) -> u64 {
        let census = self.fleet.with(|fleet, _| fleet.census());
        let key = (Arc::from(cluster), Some(Reason::Registered));
        census.get(&key).copied().unwrap_or_default()
    }

    /// How long a single resource takes, and how many of the many were done meanwhile.
    async fn single(&self, number: usize) -> (Duration, u64) {
        let (before, began) = (self.registered("many"), Instant::now());
        let wanted = self.registered("one") + 1;
        self.apply("one", "one", number);
        while self.registered("one") < wanted {
            assert!(began.elapsed() < Duration::from_mins(2), "it is not served");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        (began.elapsed(), self.registered("many") - before)
    }

    /// The median time of some single resources, and the most of the many that one waited for.
    async fn singles(&self, first: usize) -> (Duration, u64) {
        let mut times = Vec::new();
        let mut most = 0;
        for number in first..first + ROUNDS {
            let (time, meanwhile) = self.single(number).await;
            times.push(time);
            most = most.max(meanwhile);
        }
        times.sort_unstable();
        (times[ROUNDS / 2], most)
    }
}

/// By what it waits for, so that it holds on any machine; the time is for `docs/performance.md`.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stdout)] // the figure
async fn ten_thousand_resources_do_not_delay_another_tenant_s_single_one() {
    let load = Load::start().await;
    let (idle, _) = load.singles(0).await;
    for number in 0..MANY {
        load.apply("many", &format!("many-{}", number % 100), number);
    }
    let (loaded, most) = load.singles(ROUNDS).await;
    let left = MANY as u64 - load.registered("many");
    load.stop.cancel();
    assert!(left > 0, "there was no load any more");
    let ratio = loaded.as_secs_f64() / idle.as_secs_f64();
    println!(
        "single: {idle:?} alone, {loaded:?} beside {MANY}: {ratio:.1} times; at most {most} of them in between"
    );
    assert!(
        most <= SLOTS as u64,
        "{most} of {MANY} were served before it"
    );
}

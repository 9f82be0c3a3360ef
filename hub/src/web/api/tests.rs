//! The API over real connections: who is let in, and what is answered.

use reqwest::Client;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    audit::{AuditConfig, AuditMetrics, Event, Kind},
    config::Config,
    fleet::{Fleet, Observed, Policy, Scope, Settings, Up},
    identity::ClusterConfig,
    receipt,
};
use flyte_registration_proto::hub::v1 as proto;

mod tls;

/// An API with one cluster of some resources, which all are denied, and some history.
struct Served {
    url: String,
    stop: CancellationToken,
    dir: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn fleet(resources: usize) -> FleetHandle {
    let policy = Policy::new(&Config::default(), receipt::Key::new(&[1; 32]));
    let settings = Settings {
        retry_initial: Duration::from_secs(1),
        retry_max: Duration::from_secs(1),
        max_objects: resources,
        places: 1,
    };
    let fleet = FleetHandle::new(Fleet::new(policy, settings));
    let (east, session): (Arc<str>, _) = ("east".into(), uuid::Uuid::nil());
    fleet.with(|fleet, now| {
        let everything = Scope::from_proto(None).unwrap();
        fleet.open(&east, "uid", everything, session, now);
        fleet.greeted(&east, session, "1.2.3", now);
        for index in 0..resources {
            let spec = json!({
                "workflowProject": "etl",
                "workflowDomain": "development",
                "workflowVersion": "v1",
                "workflowPackageUri": "team/flows",
            });
            let object = proto::Object {
                key: Some(proto::ObjectKey {
                    namespace: "data-a".to_owned(),
                    name: format!("r{index}"),
                }),
                uid: format!("uid-{index}"),
                generation: 1,
                spec_json: spec.to_string().into(),
                ..proto::Object::default()
            };
            let (key, observed) = Observed::from_proto(object).unwrap();
            let changed = Up::Changed(key, Box::new(observed));
            fleet.receive(&east, session, changed, now).unwrap();
        }
        let unrecorded = fleet.unrecorded(resources);
        let tickets: Vec<_> = unrecorded.iter().map(|refusal| refusal.ticket).collect();
        fleet.recorded(&tickets, now);
    });
    fleet
}

async fn served(dir: tempfile::TempDir, mut config: Value) -> Served {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scheme = if config["tls"].is_null() {
        "http"
    } else {
        "https"
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    config["listen"] = json!(listener.local_addr().unwrap());
    let config: ApiConfig = serde_json::from_value(config).unwrap();
    assert!(config.problems().is_empty());
    let quiet = AuditConfig {
        stdout: false,
        ..AuditConfig::default()
    };
    let (audit, recorder) = Audit::open(&quiet, dir.path(), AuditMetrics::default())
        .await
        .unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(recorder.run(stop.clone()));
    let event = |number: usize| Event {
        id: format!("id-{number}"),
        time: jiff::Timestamp::now(),
        kind: Kind::RegistrationDenied,
        about: crate::audit::About::default(),
        data: json!({"number": number}),
    };
    audit.record((0..5).map(event).collect()).await.unwrap();
    let stopped = stop.clone();
    let configured = [("west".to_owned(), ClusterConfig::default())].into();
    let (_, known) = watch::channel(Arc::new(Identities::new(&configured, None)));
    tokio::spawn(async move {
        serve(listener, &config, fleet(5), audit, known, stopped)
            .await
            .unwrap();
    });
    Served { url, stop, dir }
}

/// One that a token opens.
async fn with_token() -> Served {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("api-token");
    std::fs::write(&file, "the-token").unwrap();
    served(dir, json!({"tokenFile": file})).await
}

impl Served {
    async fn get(&self, path: &str, token: Option<&str>) -> (StatusCode, Value) {
        let request = Client::new().get(format!("{}{path}", self.url));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn read(&self, path: &str) -> Value {
        let (status, body) = self.get(path, Some("the-token")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }
}

#[tokio::test]
async fn nobody_reads_without_the_token() {
    let api = with_token().await;
    for token in [None, Some(""), Some("another")] {
        for path in [
            "/api/v1/clusters",
            "/api/v1/registrations",
            "/api/v1/history",
            "/",
            "/metrics",
        ] {
            let (status, body) = api.get(path, token).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
            assert_eq!(body["error"]["code"], "unauthorized");
        }
    }
}

#[tokio::test]
async fn clusters_registrations_and_history_are_told() {
    let api = with_token().await;
    let clusters = api.read("/api/v1/clusters").await;
    let cluster = &clusters["items"][0];
    assert_eq!(
        (&cluster["name"], &cluster["connected"]),
        (&json!("east"), &json!(true))
    );
    assert_eq!(cluster["agentVersion"], "1.2.3");
    assert_eq!(cluster["resources"], json!({"Denied": 5}));
    // The configuration has it, and its agent did not come yet.
    let west = json!({"name": "west", "connected": false, "resources": {}});
    assert_eq!(clusters["items"][1], west);

    let first = api
        .read("/api/v1/registrations?limit=3&state=Denied&project=etl")
        .await;
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    let item = &first["items"][0];
    assert_eq!(
        (&item["name"], &item["state"]),
        (&json!("r0"), &json!("Denied"))
    );
    assert!(
        item["message"]
            .as_str()
            .unwrap()
            .contains("may not register anything")
    );
    let next = first["continue"].as_str().unwrap();
    let second = api
        .read(&format!(
            "/api/v1/registrations?limit=3&state=Denied&continue={next}"
        ))
        .await;
    assert_eq!(second["items"].as_array().unwrap().len(), 2);
    assert_eq!(second["continue"], Value::Null);

    let history = api.read("/api/v1/history?limit=2").await;
    assert_eq!(history["items"][0]["data"]["number"], 4);
    let next = history["continue"].as_str().unwrap();
    let older = api.read(&format!("/api/v1/history?continue={next}")).await;
    assert_eq!(older["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn mistakes_are_explained_as_json() {
    let api = with_token().await;
    for (path, status, code) in [
        (
            "/api/v1/registrations?cluser=east",
            StatusCode::BAD_REQUEST,
            "badRequest",
        ),
        (
            "/api/v1/history?limit=9999",
            StatusCode::BAD_REQUEST,
            "badRequest",
        ),
        ("/api/v1/nothing", StatusCode::NOT_FOUND, "notFound"),
    ] {
        let (answered, body) = api.get(path, Some("the-token")).await;
        assert_eq!(
            (answered, &body["error"]["code"]),
            (status, &json!(code)),
            "{path}"
        );
    }
    let url = format!("{}/api/v1/clusters", api.url);
    let posted = Client::new()
        .post(url)
        .bearer_auth("the-token")
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn large_requests_are_refused_whoever_sends_them() {
    let api = with_token().await;
    let ask = |headers: Vec<(String, String)>| {
        let request = Client::new().get(format!("{}/api/v1/clusters", api.url));
        let request = request.bearer_auth("the-token");
        let request = headers.into_iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        // The answer may be lost, as the connection is closed while there is more to come.
        async { request.send().await.map(|response| response.status()) }
    };
    let few = |count: usize, size: usize| -> Vec<(String, String)> {
        (0..count)
            .map(|number| (format!("x-{number}"), "x".repeat(size)))
            .collect()
    };
    assert_eq!(ask(few(8, 100)).await.unwrap(), StatusCode::OK);
    for headers in [few(1, 32 * 1024), few(100, 1)] {
        if let Ok(status) = ask(headers).await {
            assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
    }
}

/// Whoever connects and says nothing holds nobody up.
#[tokio::test]
async fn silent_connections_hold_nobody_up() {
    let api = with_token().await;
    let address = api.url.trim_start_matches("http://");
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    api.read("/api/v1/clusters").await;
    drop(silent);
}

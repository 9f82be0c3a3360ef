//! A served gateway, and agents that say what a test wants.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use flyte_registration_fixtures::signer::Signer;
use flyte_registration_hub::{
    audit::{Audit, AuditConfig, AuditMetrics, put_refusals_on_record},
    config::{self, Config},
    fleet::{Fleet, FleetHandle, Policy, Settings},
    gateway::{self, Gateway, Listener, Pins, Tls},
    identity::{ClusterConfig, Identities, TokenConfig},
    metrics::Metrics,
    receipt,
};
use flyte_registration_proto::hub::v1::{
    AgentMessage, Hello, HubMessage, Object, ObjectKey, Welcome, agent_message::Kind as Up,
    hub_message::Kind, refusal::Reason, registration_hub_client::RegistrationHubClient,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Request, Status, Streaming,
    transport::{ClientTlsConfig, Endpoint, Error},
};

/// Longer than any of it takes.
pub const SOON: Duration = Duration::from_secs(20);

/// A hub without tenants, that one cluster, `east`, may connect to.
pub struct Hub {
    pub address: SocketAddr,
    endpoint: Endpoint,
    pub drain: CancellationToken,
    /// East's key.
    pub signer: Signer,
    pub identities: watch::Sender<Arc<Identities>>,
    pub state: tempfile::TempDir,
    pub audit: Audit,
}

/// One end of a session.
pub struct Agent {
    pub up: mpsc::Sender<AgentMessage>,
    pub down: Streaming<HubMessage>,
}

impl Hub {
    /// In plaintext.
    pub async fn start(settings: config::Session) -> Self {
        Self::start_with(settings, None, BTreeMap::new()).await
    }

    /// With TLS as the files have it, and more clusters beside east.
    pub async fn start_with(
        settings: config::Session,
        tls: Option<&config::Tls>,
        mut clusters: BTreeMap<String, ClusterConfig>,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = Policy::new(&Config::default(), receipt::Key::new(&[1; 32]));
        let limits = Settings {
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_secs(1),
            max_objects: settings.max_objects,
            places: 64,
        };
        let fleet = FleetHandle::new(Fleet::new(policy, limits));
        let state = tempfile::tempdir().unwrap();
        let signer = Signer::p256("key-of-east");
        clusters
            .entry("east".to_owned())
            .or_insert_with(|| cluster(&signer));
        let (identities, known) = watch::channel(Arc::new(Identities::new(&clusters, None)));
        let quiet = AuditConfig {
            stdout: false,
            ..AuditConfig::default()
        };
        let opened = Audit::open(&quiet, state.path(), AuditMetrics::default()).await;
        let (audit, recorder) = opened.unwrap();
        tokio::spawn(recorder.run(CancellationToken::new()));
        tokio::spawn(put_refusals_on_record(fleet.clone(), audit.clone()));
        let drain = CancellationToken::new();
        let tls = tls.map(|files| Arc::new(Tls::load(files).unwrap()));
        let metrics = Arc::new(Metrics::new(fleet.clone()));
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = Listener::new(
            tcp,
            tls.clone(),
            &settings,
            Arc::clone(&metrics),
            audit.clone(),
        );
        let gateway = Gateway::new(
            fleet,
            (known, tls),
            Pins::new(state.path().join("clusters")),
            settings,
            metrics,
            audit.clone(),
            TaskTracker::new(),
            drain.clone(),
        );
        let server = gateway::server().add_service(gateway.into_service());
        tokio::spawn(server.serve_with_incoming(listener.incoming()));
        let endpoint = Endpoint::from_shared(format!("{scheme}://localhost:{}", address.port()));
        Self {
            address,
            endpoint: endpoint.unwrap(),
            drain,
            signer,
            identities,
            state,
            audit,
        }
    }

    /// Over a connection of its own, in plaintext.
    pub async fn call(&self, token: &str) -> Result<Agent, Status> {
        call(self.endpoint.clone(), Some(token)).await
    }

    /// Over a connection of its own, with TLS.
    pub async fn call_with(
        &self,
        tls: ClientTlsConfig,
        token: Option<&str>,
    ) -> Result<Agent, Status> {
        call(self.endpoint.clone().tls_config(tls).unwrap(), token).await
    }

    pub async fn agent(&self) -> Agent {
        self.call(&self.token()).await.unwrap()
    }

    /// A token of east's agent, good for an hour.
    pub fn token(&self) -> String {
        self.signer.token(&claims(3600))
    }

    pub async fn welcomed(&self) -> (Agent, Welcome) {
        let mut agent = self.agent().await;
        agent.say(Up::Hello(hello())).await;
        match agent.hear().await {
            Some(Kind::Welcome(welcome)) => (agent, welcome),
            other => panic!("no welcome: {other:?}"),
        }
    }
}

impl Agent {
    pub async fn say(&self, kind: Up) {
        self.up
            .send(AgentMessage { kind: Some(kind) })
            .await
            .unwrap();
    }

    /// The next message; `None` when the stream has ended.
    pub async fn hear(&mut self) -> Option<Kind> {
        let message = timeout(SOON, self.down.message())
            .await
            .expect("the hub says nothing");
        message.unwrap().map(|message| message.kind.unwrap())
    }

    pub async fn refusal(&mut self) -> Reason {
        match self.hear().await {
            Some(Kind::Refusal(refusal)) => refusal.reason(),
            other => panic!("no refusal: {other:?}"),
        }
    }
}

pub fn hello() -> Hello {
    Hello {
        protocol_min: 1,
        protocol_max: 1,
        agent_version: "test".to_owned(),
        cluster_uid: "uid-of-kube-system".to_owned(),
        scope: None,
    }
}

pub fn object(name: &str) -> Object {
    Object {
        key: Some(ObjectKey { namespace: "data".to_owned(), name: name.to_owned() }),
        uid: format!("uid-{name}"),
        generation: 1,
        spec_json: br#"{"workflowProject":"p","workflowDomain":"d","workflowVersion":"v","workflowPackageUri":"u"}"#
            .as_slice()
            .into(),
        ..Object::default()
    }
}

pub fn quick() -> config::Session {
    config::Session {
        hello_timeout: Duration::from_millis(300),
        heartbeat: Duration::from_millis(200),
        gone: Duration::from_secs(1),
        ..config::Session::default()
    }
}

async fn call(endpoint: Endpoint, token: Option<&str>) -> Result<Agent, Status> {
    let failed = |error: Error| Status::unavailable(format!("{error:?}"));
    let channel = endpoint.connect().await.map_err(failed)?;
    let (up, messages) = mpsc::channel(16);
    let mut request = Request::new(ReceiverStream::new(messages));
    if let Some(token) = token {
        let header = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", header);
    }
    let down = RegistrationHubClient::new(channel)
        .session(request)
        .await?
        .into_inner();
    Ok(Agent { up, down })
}

/// A cluster with this key.
pub fn cluster(signer: &Signer) -> ClusterConfig {
    let token = json!({
        "issuer": ISSUER,
        "subject": "system:serviceaccount:flyte-registration:agent",
        "jwks": {"keys": [signer.jwk()]},
    });
    let token: TokenConfig = serde_json::from_value(token).unwrap();
    ClusterConfig {
        token: Some(token),
        ..ClusterConfig::default()
    }
}

/// The issuer of many clusters.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// What the API server puts into a token for the agent, issued now for so many seconds.
pub fn claims(seconds: u64) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    json!({
        "iss": ISSUER,
        "sub": "system:serviceaccount:flyte-registration:agent",
        "aud": ["flyte-registration-hub"],
        "iat": now,
        "nbf": now,
        "exp": now + seconds,
    })
}

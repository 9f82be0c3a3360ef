//! A served gateway, and agents that say what a test wants.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use flyte_registration_hub::{
    audit::{Audit, AuditConfig, AuditMetrics, put_refusals_on_record},
    config,
    fleet::{Fleet, FleetHandle, Policy, Settings},
    gateway::{Gateway, Pins},
    identity::{ClusterConfig, Identities, TokenConfig},
    metrics::Metrics,
    receipt,
    tenancy::Tenancy,
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
    transport::{Channel, Server, server::TcpIncoming},
};

use crate::signer::Signer;

/// Longer than any of it takes.
pub const SOON: Duration = Duration::from_secs(20);

/// A hub without tenants, that one cluster, `east`, may connect to.
pub struct Hub {
    pub channel: Channel,
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
    pub async fn start(settings: config::Session) -> Self {
        let policy = Policy {
            tenancy: Tenancy::default(),
            sources: BTreeMap::new(),
            epochs: BTreeMap::new(),
            receipts: receipt::Key::new(&[1; 32]),
        };
        let limits = Settings {
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_secs(1),
            max_objects: settings.max_objects,
            max_fetching: 16,
        };
        let fleet = FleetHandle::new(Fleet::new(policy, limits));
        let state = tempfile::tempdir().unwrap();
        let signer = Signer::p256("key-of-east");
        let clusters = [("east".to_owned(), cluster(&signer))].into();
        let (identities, known) = watch::channel(Arc::new(Identities::new(&clusters, None)));
        let quiet = AuditConfig {
            stdout: false,
            ..AuditConfig::default()
        };
        let metrics = AuditMetrics::default();
        let opened = Audit::open(&quiet, state.path(), metrics).await;
        let (audit, recorder) = opened.unwrap();
        tokio::spawn(recorder.run(CancellationToken::new()));
        tokio::spawn(put_refusals_on_record(fleet.clone(), audit.clone()));
        let drain = CancellationToken::new();
        let gateway = Gateway::new(
            fleet.clone(),
            known,
            Pins::new(state.path().join("clusters")),
            settings,
            Arc::new(Metrics::new(fleet)),
            audit.clone(),
            TaskTracker::new(),
            drain.clone(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_service(gateway.into_service());
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let channel = Channel::from_shared(format!("http://{address}"))
            .unwrap()
            .connect()
            .await
            .unwrap();
        Self {
            channel,
            drain,
            signer,
            identities,
            state,
            audit,
        }
    }

    pub async fn call(&self, token: &str) -> Result<Agent, Status> {
        let (up, messages) = mpsc::channel(16);
        let mut request = Request::new(ReceiverStream::new(messages));
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        let down = RegistrationHubClient::new(self.channel.clone())
            .session(request)
            .await?
            .into_inner();
        Ok(Agent { up, down })
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

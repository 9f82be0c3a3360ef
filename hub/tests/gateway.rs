//! Sessions over real connections: who is let in, who is refused, and what is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests, which may fail

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use flyte_registration_hub::{
    config,
    fleet::{Fleet, FleetHandle, Policy, Settings},
    gateway::{Gateway, Tokens},
    metrics::Metrics,
    receipt,
    tenancy::Tenancy,
};
use flyte_registration_proto::hub::v1::{
    AgentMessage, Changed, Heartbeat, Hello, HubMessage, Object, ObjectKey, Welcome,
    agent_message::Kind as Up, hub_message::Kind, refusal::Reason,
    registration_hub_client::RegistrationHubClient,
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{
    Code, Request, Status, Streaming,
    transport::{Channel, Server, server::TcpIncoming},
};

/// Longer than any of it takes.
const SOON: Duration = Duration::from_secs(20);

/// A hub without tenants, that one cluster, `east`, may connect to.
struct Hub {
    channel: Channel,
    drain: CancellationToken,
    _tokens: tempfile::TempDir,
}

/// One end of a session.
struct Agent {
    up: mpsc::Sender<AgentMessage>,
    down: Streaming<HubMessage>,
}

impl Hub {
    async fn start(settings: config::Session) -> Self {
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
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("east");
        std::fs::write(&file, "the-token").unwrap();
        let drain = CancellationToken::new();
        let gateway = Gateway::new(
            fleet.clone(),
            Tokens::new([("east".to_owned(), file)]),
            settings,
            Arc::new(Metrics::new(fleet)),
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
            _tokens: dir,
        }
    }

    async fn call(&self, token: &str) -> Result<Agent, Status> {
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

    async fn agent(&self) -> Agent {
        self.call("the-token").await.unwrap()
    }

    async fn welcomed(&self) -> (Agent, Welcome) {
        let mut agent = self.agent().await;
        agent.say(Up::Hello(hello())).await;
        match agent.hear().await {
            Some(Kind::Welcome(welcome)) => (agent, welcome),
            other => panic!("no welcome: {other:?}"),
        }
    }
}

impl Agent {
    async fn say(&self, kind: Up) {
        self.up
            .send(AgentMessage { kind: Some(kind) })
            .await
            .unwrap();
    }

    /// The next message; `None` when the stream has ended.
    async fn hear(&mut self) -> Option<Kind> {
        let message = timeout(SOON, self.down.message())
            .await
            .expect("the hub says nothing");
        message.unwrap().map(|message| message.kind.unwrap())
    }

    async fn refusal(&mut self) -> Reason {
        match self.hear().await {
            Some(Kind::Refusal(refusal)) => refusal.reason(),
            other => panic!("no refusal: {other:?}"),
        }
    }
}

fn hello() -> Hello {
    Hello {
        protocol_min: 1,
        protocol_max: 1,
        agent_version: "test".to_owned(),
        cluster_uid: "uid-of-kube-system".to_owned(),
        scope: None,
    }
}

fn object(name: &str) -> Object {
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

fn quick() -> config::Session {
    config::Session {
        hello_timeout: Duration::from_millis(300),
        heartbeat: Duration::from_millis(200),
        gone: Duration::from_secs(1),
        ..config::Session::default()
    }
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let hub = Hub::start(quick()).await;
    for token in ["", "another", "the-token-and-more"] {
        let Err(status) = hub.call(token).await else {
            panic!("{token:?} was let in")
        };
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(status.message(), "the token is not that of a known cluster");
    }
}

#[tokio::test]
async fn a_session_is_welcomed_and_told_what_its_objects_should_show() {
    let hub = Hub::start(config::Session::default()).await;
    let (mut agent, welcome) = hub.welcomed().await;
    assert_eq!(
        (
            welcome.protocol,
            welcome.heartbeat_seconds,
            welcome.gone_seconds
        ),
        (1, 20, 60)
    );
    agent
        .say(Up::Changed(Changed {
            object: Some(object("a")),
        }))
        .await;
    let Some(Kind::Status(status)) = agent.hear().await else {
        panic!("no status")
    };
    let json: serde_json::Value = serde_json::from_slice(&status.status_json).unwrap();
    assert_eq!((status.uid.as_str(), status.generation), ("uid-a", 1));
    assert_eq!(json["conditions"][0]["reason"], "Denied");
}

#[tokio::test]
async fn the_first_message_must_be_a_good_hello() {
    let hub = Hub::start(quick()).await;
    let mut agent = hub.agent().await;
    agent.say(Up::Heartbeat(Heartbeat {})).await;
    assert_eq!(agent.refusal().await, Reason::Malformed);
    assert!(agent.hear().await.is_none());

    let mut agent = hub.agent().await;
    agent
        .say(Up::Hello(Hello {
            cluster_uid: String::new(),
            ..hello()
        }))
        .await;
    assert_eq!(agent.refusal().await, Reason::Malformed);

    let mut agent = hub.agent().await;
    agent
        .say(Up::Hello(Hello {
            protocol_min: 7,
            protocol_max: 9,
            ..hello()
        }))
        .await;
    assert_eq!(agent.refusal().await, Reason::Protocol);

    let mut agent = hub.agent().await;
    assert!(
        agent.hear().await.is_none(),
        "who says nothing is not waited for"
    );
}

#[tokio::test]
async fn a_newer_agent_speaks_what_both_can() {
    let hub = Hub::start(quick()).await;
    let mut agent = hub.agent().await;
    agent
        .say(Up::Hello(Hello {
            protocol_max: 9,
            ..hello()
        }))
        .await;
    assert!(matches!(agent.hear().await, Some(Kind::Welcome(welcome)) if welcome.protocol == 1));
}

#[tokio::test]
async fn a_malformed_message_ends_the_session() {
    let hub = Hub::start(config::Session::default()).await;
    for malformed in [
        Up::Hello(hello()),
        Up::Changed(Changed { object: None }),
        Up::Changed(Changed {
            object: Some(Object {
                uid: String::new(),
                ..object("a")
            }),
        }),
    ] {
        let (mut agent, _) = hub.welcomed().await;
        agent.say(malformed).await;
        assert_eq!(agent.refusal().await, Reason::Malformed);
        assert!(agent.hear().await.is_none());
    }
}

#[tokio::test]
async fn a_newer_session_ends_the_older_and_another_cluster_is_refused() {
    let hub = Hub::start(config::Session::default()).await;
    let (mut older, _) = hub.welcomed().await;
    let (mut newer, _) = hub.welcomed().await;
    assert_eq!(older.refusal().await, Reason::Superseded);
    let mut other = hub.agent().await;
    other
        .say(Up::Hello(Hello {
            cluster_uid: "another".to_owned(),
            ..hello()
        }))
        .await;
    assert_eq!(other.refusal().await, Reason::ClusterMismatch);
    newer
        .say(Up::Changed(Changed {
            object: Some(object("a")),
        }))
        .await;
    assert!(
        matches!(newer.hear().await, Some(Kind::Status(_))),
        "the newer one lives on"
    );
}

#[tokio::test]
async fn both_sides_hear_heartbeats_and_a_silent_agent_is_dropped() {
    let hub = Hub::start(quick()).await;
    let (mut agent, _) = hub.welcomed().await;
    assert!(matches!(agent.hear().await, Some(Kind::Heartbeat(_))));
    while let Some(kind) = agent.hear().await {
        assert!(matches!(kind, Kind::Heartbeat(_)));
    }
}

#[tokio::test]
async fn more_sessions_or_objects_than_the_limit_are_refused() {
    let hub = Hub::start(config::Session {
        max_sessions: 1,
        max_objects: 1,
        ..config::Session::default()
    })
    .await;
    let (mut agent, _) = hub.welcomed().await;
    let Err(status) = hub.call("the-token").await else {
        panic!("let in")
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
    agent
        .say(Up::Changed(Changed {
            object: Some(object("a")),
        }))
        .await;
    assert!(matches!(agent.hear().await, Some(Kind::Status(_))));
    for (name, reason) in [("b", None), ("c", Some(Reason::Overloaded))] {
        agent
            .say(Up::Changed(Changed {
                object: Some(object(name)),
            }))
            .await;
        match (agent.hear().await, reason) {
            (Some(Kind::Status(_)), None) => {}
            (Some(Kind::Refusal(refusal)), Some(reason)) => assert_eq!(refusal.reason(), reason),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_hub_that_goes_down_and_an_old_session_are_drained() {
    let hub = Hub::start(config::Session::default()).await;
    let (mut agent, _) = hub.welcomed().await;
    hub.drain.cancel();
    assert!(matches!(agent.hear().await, Some(Kind::Drain(_))));
    assert!(agent.hear().await.is_none());

    let hub = Hub::start(config::Session {
        max_age: Duration::from_millis(100),
        ..config::Session::default()
    })
    .await;
    let (mut agent, _) = hub.welcomed().await;
    assert!(matches!(agent.hear().await, Some(Kind::Drain(_))));
}

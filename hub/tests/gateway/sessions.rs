//! Sessions from Hello to their end.

use std::time::Duration;

use flyte_registration_fixtures::signer::Signer;
use flyte_registration_hub::{audit::store::history::Filter, config};
use flyte_registration_proto::hub::v1::{
    Changed, Heartbeat, Hello, Object, agent_message::Kind as Up, hub_message::Kind,
    refusal::Reason,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{Hub, claims, hello, object, quick};

#[tokio::test]
async fn strangers_learn_nothing() {
    let hub = Hub::start(quick()).await;
    let strange = Signer::p256("key-of-east").token(&claims(3600));
    let expired = hub.signer.token(&claims(0));
    let mut other = claims(3600);
    other["sub"] = "system:serviceaccount:data:notebook".into();
    let other = hub.signer.token(&other);
    for token in ["", "another", &strange, &expired, &other] {
        let Err(status) = hub.call(token).await else {
            panic!("{token:?} was let in")
        };
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!(
            status.message(),
            "the hub knows no cluster by what this agent shows"
        );
    }
}

#[tokio::test]
async fn whoever_comes_is_on_record() {
    let hub = Hub::start(quick()).await;
    assert!(hub.call("not a token").await.is_err());
    let (_agent, _) = hub.welcomed().await;
    let all = Filter::default();
    let page = hub.audit.store().history(&all, None, 10).await.unwrap();
    let events: Vec<Value> = page
        .events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let told: Vec<_> = events
        .iter()
        .map(|event| (&event["type"], &event["data"]))
        .collect();
    let known = (
        &json!("backend.flyte.agent.authenticated.v1"),
        &json!({"cluster": "east", "how": "token", "count": 1}),
    );
    let stranger = (
        &json!("backend.flyte.agent.refused.v1"),
        &json!({"reasons": {"malformed": 1}, "count": 1}),
    );
    assert_eq!(told, [known, stranger]);
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
    let json: Value = serde_json::from_slice(&status.status_json).unwrap();
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
    let Err(status) = hub.call(&hub.token()).await else {
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

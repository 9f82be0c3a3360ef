//! Who is known stays known only as long as that is true.

use std::{collections::BTreeMap, fs, sync::Arc, time::Duration};

use flyte_registration_fixtures::signer::Signer;
use flyte_registration_hub::{
    audit::{Kind as Event, store::history::Filter},
    config,
    identity::{ClusterConfig, Identities},
};
use flyte_registration_proto::hub::v1::{
    Changed, Hello, Scope, agent_message::Kind as Up, hub_message::Kind, refusal::Reason,
};
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

use crate::support::{Agent, Hub, SOON, claims, cluster, hello, object};

/// The configuration is another one now.
fn reload(hub: &Hub, clusters: &BTreeMap<String, ClusterConfig>) {
    hub.identities.send_modify(|known| {
        *known = Arc::new(Identities::new(clusters, Some(known)));
    });
}

/// It is still told what its resources show.
async fn lives(agent: &mut Agent, name: &str) {
    agent
        .say(Up::Changed(Changed {
            object: Some(object(name)),
        }))
        .await;
    assert!(matches!(agent.hear().await, Some(Kind::Status(_))));
}

#[tokio::test]
async fn a_reload_that_changes_nothing_for_an_agent_leaves_its_session() {
    let hub = Hub::start(config::Session::default()).await;
    let (mut agent, _) = hub.welcomed().await;
    lives(&mut agent, "a").await;
    let added = [
        ("east".to_owned(), cluster(&hub.signer)),
        ("west".to_owned(), cluster(&Signer::p256("key-of-west"))),
    ];
    reload(&hub, &added.into());
    lives(&mut agent, "b").await;
}

#[tokio::test]
async fn what_is_revoked_ends_and_cannot_be_replayed() {
    let named = |name: &str, config| BTreeMap::from([(name.to_owned(), config)]);
    let other_key = cluster(&Signer::p256("key-of-east"));
    let other_uid = |signer: &Signer| ClusterConfig {
        uid: Some("another".to_owned()),
        ..cluster(signer)
    };
    let start = || Hub::start(config::Session::default());
    let hubs = [start().await, start().await, start().await, start().await];
    let [removed, renamed, rekeyed, pinned] = &hubs;
    let cases = [
        (removed, BTreeMap::new(), Code::Unauthenticated),
        (rekeyed, named("east", other_key), Code::Unauthenticated),
        // These may come again, as somebody else.
        (renamed, named("west", cluster(&renamed.signer)), Code::Ok),
        (pinned, named("east", other_uid(&pinned.signer)), Code::Ok),
    ];
    for (hub, clusters, code) in cases {
        let token = hub.token();
        let mut agent = hub.call(&token).await.unwrap();
        agent.say(Up::Hello(hello())).await;
        assert!(matches!(agent.hear().await, Some(Kind::Welcome(_))));
        reload(hub, &clusters);
        assert_eq!(agent.refusal().await, Reason::Unauthenticated);
        assert!(agent.hear().await.is_none());
        let again = hub.call(&token).await;
        assert_eq!(
            again.map_or_else(|status| status.code(), |_| Code::Ok),
            code
        );
    }
}

#[tokio::test]
async fn what_is_revoked_ends_before_that_is_on_record_and_is_on_record_then() {
    let hub = Hub::start(config::Session::default()).await;
    let (mut agent, _) = hub.welcomed().await;
    // Nothing can be put on record until this is over.
    let file = hub.state.path().join("audit.db");
    let mut busy = SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut busy)
        .await
        .unwrap();
    reload(&hub, &BTreeMap::new());
    let over = async {
        assert_eq!(agent.refusal().await, Reason::Unauthenticated);
        assert!(agent.hear().await.is_none());
    };
    // The hub itself waits for longer than that.
    timeout(Duration::from_secs(3), over)
        .await
        .expect("its end waits for the record");
    sqlx::query("COMMIT").execute(&mut busy).await.unwrap();

    let refusals = Filter {
        kind: Some(Event::AgentRefused.as_str().to_owned()),
        ..Filter::default()
    };
    let late = Instant::now() + SOON;
    loop {
        let page = hub.audit.store().history(&refusals, None, 10).await;
        if let [event] = &page.unwrap().events[..] {
            assert!(event.contains("issuer"), "{event}");
            break;
        }
        assert!(Instant::now() < late, "it is not on record");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_session_is_drained_before_its_token_expires_and_ends_with_it() {
    let hub = Hub::start(config::Session::default()).await;
    let mut agent = hub.call(&hub.signer.token(&claims(3))).await.unwrap();
    agent.say(Up::Hello(hello())).await;
    assert!(matches!(agent.hear().await, Some(Kind::Welcome(_))));
    let Some(Kind::Drain(drain)) = agent.hear().await else {
        panic!("it is not drained")
    };
    assert_eq!(drain.reason, "the token expires soon");
    lives(&mut agent, "a").await;
    assert!(agent.hear().await.is_none());
}

#[tokio::test]
async fn a_cluster_is_pinned_to_the_first_uid_across_restarts() {
    let hub = Hub::start(config::Session::default()).await;
    let (mut first, _) = hub.welcomed().await;
    let other = Hello {
        cluster_uid: "another".to_owned(),
        ..hello()
    };
    let mut second = hub.agent().await;
    second.say(Up::Hello(other.clone())).await;
    let Some(Kind::Refusal(refusal)) = second.hear().await else {
        panic!("two clusters are one")
    };
    assert_eq!(refusal.reason(), Reason::ClusterMismatch);
    let both = ["uid-of-kube-system", "another"];
    assert!(
        both.iter().all(|uid| refusal.message.contains(uid)),
        "{}",
        refusal.message
    );
    lives(&mut first, "a").await;

    let pin = hub.state.path().join("clusters/east");
    assert_eq!(fs::read_to_string(&pin).unwrap(), "uid-of-kube-system");
    fs::remove_file(&pin).unwrap();
    let mut second = hub.agent().await;
    second.say(Up::Hello(other)).await;
    assert!(
        matches!(second.hear().await, Some(Kind::Welcome(_))),
        "it was unpinned"
    );
    assert_eq!(first.refusal().await, Reason::Superseded);
    let mut first = hub.agent().await;
    first.say(Up::Hello(hello())).await;
    assert_eq!(first.refusal().await, Reason::ClusterMismatch);
}

#[tokio::test]
async fn an_object_outside_of_the_declared_scope_ends_the_session() {
    let hub = Hub::start(config::Session::default()).await;
    let mut agent = hub.agent().await;
    let scope = Scope {
        namespaces: vec!["data".to_owned()],
    };
    agent
        .say(Up::Hello(Hello {
            scope: Some(scope),
            ..hello()
        }))
        .await;
    assert!(matches!(agent.hear().await, Some(Kind::Welcome(_))));
    lives(&mut agent, "a").await;
    let mut foreign = object("b");
    foreign.key.as_mut().unwrap().namespace = "finance".to_owned();
    agent
        .say(Up::Changed(Changed {
            object: Some(foreign),
        }))
        .await;
    assert_eq!(agent.refusal().await, Reason::Malformed);
}

#[tokio::test]
async fn one_cluster_has_few_sessions() {
    let hub = Hub::start(config::Session {
        max_sessions_per_cluster: 2,
        hello_timeout: Duration::from_mins(1),
        ..config::Session::default()
    })
    .await;
    let _silent = (hub.agent().await, hub.agent().await);
    let Err(status) = hub.call(&hub.token()).await else {
        panic!("a third session")
    };
    assert_eq!(status.code(), Code::ResourceExhausted);
}

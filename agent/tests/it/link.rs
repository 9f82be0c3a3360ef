//! The link against a hub.

use flyte_registration_agent::{config, link::Standing};
use flyte_registration_proto::hub::v1::{
    Drain, Refusal, agent_message::Kind, hub_message, refusal,
};

use crate::{
    hub::{Hub, certificate, welcome},
    world::{World, key, object, until},
};

fn plain(hub: &Hub) -> config::Hub {
    config::Hub {
        endpoint: format!("http://{}", hub.address),
        ..config::Hub::default()
    }
}

#[tokio::test]
async fn a_session_begins_with_hello_and_a_snapshot_in_chunks() {
    let (mut hub, world) = (Hub::start(None).await, World::new());
    for name in ["a", "b", "c", "d"] {
        world.show(&object(name, name, 1, "1"));
    }
    let _link = world.link(plain(&hub));
    let mut session = hub.session().await;
    assert_eq!(session.authorization, None);
    let hello = session.hello().await;
    assert_eq!(
        (hello.cluster_uid.as_str(), hello.protocol_max),
        ("cluster", 1)
    );
    assert!(!world.state.borrow().up);
    session.send(hub_message::Kind::Welcome(welcome())).await;
    let (names, chunks) = session.snapshot().await;
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert!(chunks > 1);
    assert!(world.state.borrow().up && *world.standing.borrow() == Standing::Welcome);

    world.show(&object("b", "b", 2, "2"));
    let Kind::Changed(changed) = session.next().await else {
        panic!()
    };
    assert_eq!(changed.object.unwrap().generation, 2);
    world.shared.update(|index| index.remove(&key("a")));
    let Kind::Gone(gone) = session.next().await else {
        panic!()
    };
    assert_eq!(gone.uid, "a");
}

#[tokio::test]
async fn nothing_is_said_before_everything_is_listed() {
    let (mut hub, mut world) = (Hub::start(None).await, World::new());
    let sources = flyte_registration_agent::watch::Source::all_of(&[]);
    world.shared = std::sync::Arc::new(flyte_registration_agent::watch::Shared::new(
        flyte_registration_agent::watch::Index::new(&sources),
    ));
    let _link = world.link(plain(&hub));
    assert!(hub.is_left_alone().await);
    for source in &sources {
        world.shared.update(|index| index.complete(source));
    }
    hub.session().await.hello().await;
}

#[tokio::test]
async fn tls_with_its_own_ca_and_a_token_that_is_read_each_time() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let (identity, ca_file) = certificate(directory.path());
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, "first\n").unwrap();
    let (mut hub, world) = (Hub::start(Some(identity)).await, World::new());
    let _link = world.link(config::Hub {
        endpoint: format!("https://{}", hub.address),
        ca_file: Some(ca_file),
        token_file: Some(token_file.clone()),
        ..config::Hub::default()
    });
    let session = hub.welcomed().await;
    assert_eq!(session.authorization.as_deref(), Some("Bearer first"));
    std::fs::write(&token_file, "second\n").unwrap();
    drop(session);
    assert_eq!(
        hub.session().await.authorization.as_deref(),
        Some("Bearer second")
    );
}

#[tokio::test]
async fn a_hub_of_another_ca_hears_nothing() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ((_, ca_file), (identity, _)) = (certificate(ours.path()), certificate(theirs.path()));
    let (mut hub, world) = (Hub::start(Some(identity)).await, World::new());
    let endpoint = format!("https://{}", hub.address);
    let _link = world.link(config::Hub {
        endpoint,
        ca_file: Some(ca_file),
        ..config::Hub::default()
    });
    until("the connection must fail", || {
        world.metrics.reconnects.get() > 0
    })
    .await;
    assert!(hub.is_left_alone().await);
}

#[tokio::test]
async fn a_refused_session_is_tried_again() {
    let (mut hub, world) = (Hub::start(None).await, World::new());
    let _link = world.link(plain(&hub));
    let session = hub.session().await;
    let refusal = Refusal {
        reason: refusal::Reason::Overloaded.into(),
        message: "full".to_owned(),
    };
    session.send(hub_message::Kind::Refusal(refusal)).await;
    hub.welcomed().await.snapshot().await;
    assert_eq!(world.metrics.reconnects.get(), 1);
}

#[tokio::test]
async fn an_agent_that_is_not_let_in_says_so_until_it_is() {
    let (mut hub, world) = (Hub::start(None).await, World::new());
    let _link = world.link(plain(&hub));
    let refusal = || {
        hub_message::Kind::Refusal(Refusal {
            reason: refusal::Reason::Unauthenticated.into(),
            message: "who are you".to_owned(),
        })
    };
    let refused = |expected: Standing| {
        let says = expected == Standing::Refused;
        let (standing, metrics) = (world.standing.subscribe(), world.metrics.clone());
        async move {
            until("it must say so", || {
                *standing.borrow() == expected && metrics.refused.get() == i64::from(says)
            })
            .await;
        }
    };
    // Whether it was never let in, or is not any more.
    hub.session().await.send(refusal()).await;
    refused(Standing::Refused).await;
    let mut session = hub.welcomed().await;
    session.snapshot().await;
    refused(Standing::Welcome).await;
    session.send(refusal()).await;
    refused(Standing::Refused).await;
    hub.welcomed().await.snapshot().await;
    refused(Standing::Welcome).await;
}

#[tokio::test]
async fn after_a_broken_session_everything_is_sent_again() {
    let (mut hub, world) = (Hub::start(None).await, World::new());
    world.show(&object("a", "a", 1, "1"));
    let _link = world.link(plain(&hub));
    let mut session = hub.welcomed().await;
    session.snapshot().await;
    drop(session);
    world.show(&object("b", "b", 1, "1"));
    let (names, _) = hub.welcomed().await.snapshot().await;
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn a_superseded_session_ends_and_comes_back() {
    let (mut hub, world) = (Hub::start(None).await, World::new());
    let _link = world.link(plain(&hub));
    let mut session = hub.welcomed().await;
    let refusal = Refusal {
        reason: refusal::Reason::Superseded.into(),
        message: String::new(),
    };
    session.send(hub_message::Kind::Refusal(refusal)).await;
    session.ended().await;
    until("the link must be down", || !world.state.borrow().up).await;
    hub.welcomed().await.snapshot().await;
}

#[tokio::test]
async fn a_drained_session_lives_until_there_is_a_new_one() {
    let (mut hub, world) = (Hub::start(None).await, World::new());
    let _link = world.link(plain(&hub));
    let mut old = hub.welcomed().await;
    old.snapshot().await;
    old.send(hub_message::Kind::Drain(Drain {
        reason: "moving".to_owned(),
    }))
    .await;
    let mut new = hub.session().await;
    new.hello().await;

    world.show(&object("a", "a", 1, "1"));
    assert!(
        matches!(old.next().await, Kind::Changed(_)),
        "the old one still serves"
    );
    new.send(hub_message::Kind::Welcome(welcome())).await;
    assert_eq!(new.snapshot().await.0, ["a"]);
    old.ended().await;
    assert!(world.state.borrow().up);
    assert_eq!(world.metrics.reconnects.get(), 0, "that was no failure");
}

#[tokio::test]
async fn both_sides_notice_silence() {
    let (mut hub, world) = (Hub::start(None).await, World::new());
    let _link = world.link(plain(&hub));
    let mut session = hub.welcomed().await;
    session.snapshot().await;
    assert!(matches!(session.next().await, Kind::Heartbeat(_)));
    session.ended().await;
    hub.session().await.hello().await;
}

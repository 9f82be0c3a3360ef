//! Strangers that take their time, or too much room.

use std::time::Duration;

use flyte_registration_hub::config;
use flyte_registration_proto::hub::v1::{
    Changed, Hello, agent_message::Kind as Up, hub_message::Kind, refusal::Reason,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::Code;

use crate::support::{Hub, SOON, hello, object};

/// What opens an HTTP/2 connection, and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Types of frames.
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

fn settings() -> config::Session {
    config::Session {
        hello_timeout: Duration::from_millis(500),
        max_handshakes: 8,
        max_handshakes_per_address: 4,
        ..config::Session::default()
    }
}

async fn stranger(hub: &Hub, says: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    stream.write_all(says).await.unwrap();
    stream
}

/// The hub closes it, whatever it has said before.
async fn is_closed(mut stream: TcpStream) {
    let mut heard = Vec::new();
    timeout(SOON, stream.read_to_end(&mut heard))
        .await
        .expect("the hub keeps it")
        .ok();
}

#[tokio::test]
async fn whoever_says_nothing_or_too_little_is_closed() {
    let hub = Hub::start(settings()).await;
    for says in [b"".as_slice(), &PREFACE[..10], PREFACE] {
        is_closed(stranger(&hub, says).await).await;
    }
}

#[tokio::test]
async fn an_agent_gets_in_past_strangers_that_hold_all_places() {
    let hub = Hub::start(config::Session {
        hello_timeout: Duration::from_mins(1),
        ..settings()
    })
    .await;
    let (mut agent, _) = hub.welcomed().await;
    let mut strangers = Vec::new();
    for _ in 0..20 {
        strangers.push(stranger(&hub, PREFACE).await);
    }
    // Those who came first made room for the others.
    let kept = strangers.split_off(16);
    for stranger in strangers {
        is_closed(stranger).await;
    }
    let changed = |name| {
        Up::Changed(Changed {
            object: Some(object(name)),
        })
    };
    agent.say(changed("a")).await;
    assert!(
        matches!(agent.hear().await, Some(Kind::Status(_))),
        "a session keeps its place"
    );
    let (mut newer, _) = hub.welcomed().await;
    newer.say(changed("b")).await;
    assert!(matches!(newer.hear().await, Some(Kind::Status(_))));
    drop(kept);
}

/// A frame of the first stream. No flag says that the headers end with it.
fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, 0, 0, 0, 0, 1], content].concat()
}

#[tokio::test]
async fn headers_without_end_close_the_connection() {
    let hub = Hub::start(config::Session {
        hello_timeout: Duration::from_mins(1),
        ..settings()
    })
    .await;
    let mut stranger = stranger(&hub, PREFACE).await;
    // `a: xxx…`, as RFC 7541 writes it without an index.
    let field = [&[0, 1, b'a', 100], [b'x'; 100].as_slice()].concat();
    let fields = field.repeat(150);
    let flood = async {
        let mut sent = 0;
        let mut kind = HEADERS;
        while stranger.write_all(&frame(kind, &fields)).await.is_ok() {
            sent += fields.len();
            kind = CONTINUATION;
            assert!(sent < 64 << 20, "the hub takes them all");
        }
    };
    timeout(SOON, flood).await.expect("the hub keeps it");
    hub.welcomed().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let hub = Hub::start(settings()).await;
    // HTTP/2 itself refuses so much, before anybody asks what it means.
    let status = match hub.call(&"x".repeat(20 * 1024)).await {
        Ok(mut agent) => agent.down.message().await.unwrap_err(),
        Err(status) => status,
    };
    assert_ne!(status.code(), Code::Unauthenticated, "{status:?}");
    let Err(status) = hub.call(&"x".repeat(12 * 1024)).await else {
        panic!("let in")
    };
    assert_eq!(status.code(), Code::Unauthenticated);
    let greeting = |change: fn(&mut Hello)| {
        let mut hello = hello();
        change(&mut hello);
        Up::Hello(hello)
    };
    for large in [
        greeting(|hello| hello.agent_version = "x".repeat(1000)),
        greeting(|hello| hello.cluster_uid = "x".repeat(1000)),
    ] {
        let mut agent = hub.agent().await;
        agent.say(large).await;
        assert_eq!(agent.refusal().await, Reason::Malformed);
    }
    let (mut agent, _) = hub.welcomed().await;
    let mut huge = object("a");
    huge.spec_json = vec![b' '; 5 * 1024 * 1024].into();
    agent.say(Up::Changed(Changed { object: Some(huge) })).await;
    while let Ok(Some(_)) = timeout(SOON, agent.down.message())
        .await
        .expect("it goes on")
    {}
    let (mut agent, _) = hub.welcomed().await;
    agent
        .say(Up::Changed(Changed {
            object: Some(object("a")),
        }))
        .await;
    assert!(
        matches!(agent.hear().await, Some(Kind::Status(_))),
        "the hub lives on"
    );
}

use std::sync::Arc;

use flyteadmin_emulator::{Emulator, Options};
use tokio::net::TcpListener;

use super::*;

/// Addresses of this machine with one port that is free on all of them.
async fn addresses() -> [SocketAddr; 3] {
    loop {
        let mut listeners = Vec::new();
        let mut port = 0;
        for last in 1..=3 {
            let address = SocketAddr::from(([127, 0, 0, last], port));
            let listener = TcpListener::bind(address).await;
            let Ok(listener) = listener else { break };
            port = listener.local_addr().unwrap().port();
            listeners.push(listener);
        }
        if listeners.len() == 3 {
            return [1, 2, 3].map(|last| SocketAddr::from(([127, 0, 0, last], port)));
        }
    }
}

async fn emulator(address: SocketAddr) -> Emulator {
    let options = Options {
        listen: address,
        ..Options::default()
    };
    Emulator::start(&options).await.unwrap()
}

/// Channels to a name that has whichever addresses are in the list at the time.
fn channels(names: &Arc<Mutex<Vec<SocketAddr>>>) -> Channels {
    let names = Arc::clone(names);
    let resolve = move |_, _| -> Resolved {
        let addresses = names.lock().clone();
        Box::pin(async move { Ok(addresses) })
    };
    let endpoint = Endpoint::from_static("http://flyteadmin:81");
    Channels::resolved_by(
        Box::new(resolve),
        "flyteadmin".to_owned(),
        81,
        endpoint,
        None,
    )
}

async fn call(channels: &Channels) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channels.clone());
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/flyteidl.service.AdminService/GetVersion");
    let codec = flyte_registration_proto::raw::RawCodec;
    let request = tonic::Request::new(bytes::Bytes::new());
    grpc.unary(request, path, codec).await.map(drop)
}

fn answered(emulator: &Emulator) -> u64 {
    emulator.counters().snapshot().total
}

#[tokio::test]
async fn all_addresses_take_turns() {
    let addresses = addresses().await;
    let emulators = futures::future::join_all(addresses.map(emulator)).await;
    let channels = channels(&Arc::new(Mutex::new(addresses.to_vec())));
    for _ in 0..9 {
        call(&channels).await.unwrap();
    }
    let counts: Vec<_> = emulators.iter().map(answered).collect();
    assert_eq!(counts, [3, 3, 3]);
}

#[tokio::test]
async fn a_dead_address_fails_no_call_while_another_lives() {
    let addresses = addresses().await;
    // On a runtime of its own, so that its connections end with it.
    let process = tokio::runtime::Runtime::new().unwrap();
    let living = process.spawn(emulator(addresses[2])).await.unwrap();
    let channels = channels(&Arc::new(Mutex::new(addresses.to_vec())));
    for _ in 0..6 {
        call(&channels).await.unwrap();
    }
    assert_eq!(answered(&living), 6);

    process.shutdown_background();
    // Each address has a connection to it. Once all of them have ended, nobody is left, which the
    // calls of a whole round say.
    let all_dead = async {
        let mut round = 0;
        while round < addresses.len() {
            let dead = call(&channels).await.is_err_and(|status| {
                let said = status.to_string();
                addresses.iter().all(|it| said.contains(&it.to_string()))
            });
            round = if dead { round + 1 } else { 0 };
        }
    };
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, all_dead).await.unwrap();
    // Any of them that comes back is enough for all.
    let back = emulator(addresses[0]).await;
    for _ in 0..6 {
        call(&channels).await.unwrap();
    }
    assert_eq!(answered(&back), 6);
}

#[tokio::test]
async fn other_addresses_are_found_after_a_failure() {
    let addresses = addresses().await;
    let names = Arc::new(Mutex::new(vec![addresses[0]]));
    let channels = channels(&names);
    assert_eq!(
        call(&channels).await.unwrap_err().code(),
        tonic::Code::Unavailable
    );
    let moved = emulator(addresses[1]).await;
    *names.lock() = vec![addresses[1]];
    let found = async {
        while call(&channels).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found)
        .await
        .unwrap();
    assert!(answered(&moved) > 0);
}

#[tokio::test]
async fn a_name_without_an_address_says_so() {
    let channels = channels(&Arc::default());
    let status = call(&channels).await.unwrap_err();
    let message = "the address of flyteadmin cannot be found: there is none";
    assert_eq!(
        (status.code(), status.message()),
        (tonic::Code::Unavailable, message)
    );
}

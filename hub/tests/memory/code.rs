use std::{
    io::{Cursor, Read},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, extract::State, http::StatusCode};
use flyte_registration_fixtures::{
    builder::{Files, gzip},
    packages::FAST,
};
use flyte_registration_hub::{
    package::{Limits, Selection, Target, plan, read},
    registrar::{FlyteAdminConfig, Registrar},
};
use flyteadmin_emulator::{Emulator, Options};
use futures::StreamExt;
use serde_json::json;

use super::{ALONE, MIB, Meter};

/// One task of a real fast package, with as much code.
fn with_code(bytes: usize) -> Vec<u8> {
    let files = Files::of(FAST).0.into_iter().filter_map(|(name, content)| {
        if name.ends_with(".tar.gz") {
            Some((name, gzip(&vec![0; bytes])))
        } else {
            name.ends_with("double_1.pb").then_some((name, content))
        }
    });
    let files = Files(files.collect());
    assert_eq!(files.0.len(), 2);
    files.package()
}

/// A storage that keeps nothing of what it gets but its size.
async fn storage() -> (SocketAddr, Arc<AtomicUsize>) {
    async fn put(State(received): State<Arc<AtomicUsize>>, body: Body) -> StatusCode {
        let mut pieces = body.into_data_stream();
        while let Some(Ok(piece)) = pieces.next().await {
            received.fetch_add(piece.len(), Ordering::Relaxed);
        }
        StatusCode::OK
    }
    let received = Arc::<AtomicUsize>::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .fallback(put)
        .with_state(Arc::clone(&received));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, received)
}

/// The most that is held while a package with as much code is read, planned and registered.
async fn registering(registrar: &Registrar, received: &AtomicUsize, code: usize) -> usize {
    let package = with_code(code);
    let target = Target {
        project: "flytesnacks".to_owned(),
        domain: "development".to_owned(),
        version: format!("v{code}"),
    };
    received.store(0, Ordering::Relaxed);
    let meter = Meter::start();
    let archive = read(package.as_slice(), &Limits::default()).unwrap();
    let plan = plan(archive, &target, &Selection::default()).unwrap();
    let open = || Ok(Box::new(Cursor::new(package.clone())) as Box<dyn Read + Send>);
    let report = registrar.register_from(&plan, &open).await;
    let peak = meter.peak();
    assert_eq!(report.failure, None);
    assert_eq!(received.load(Ordering::Relaxed), code);
    peak - package.len()
}

#[tokio::test]
async fn code_goes_by_without_being_held() {
    let _alone = ALONE.lock().await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (address, received) = storage().await;
    let options = Options {
        storage_endpoint: Some(format!("http://{address}")),
        ..Options::default()
    };
    let emulator = Emulator::start(&options).await.unwrap();
    let config = json!({"endpoint": emulator.grpc.to_string(), "insecure": true});
    let config: FlyteAdminConfig = serde_json::from_value(config).unwrap();
    let registrar = Registrar::new("main", &config).unwrap();

    let little = registering(&registrar, &received, MIB).await;
    let much = registering(&registrar, &received, 64 * MIB).await;
    println!("1 MiB of code: {little} bytes, 64 MiB: {much}");
    // A few pieces of 64 KiB on our side, as many in the network's buffers of both sides.
    assert!(much < 4 * MIB, "{much}");
}

//! Packages that bring their code along.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, extract::DefaultBodyLimit, http::Method};
use flyteadmin_emulator::Options;

use super::bench::{Bench, writes};

/// A storage that takes everything, and how often it was sent something.
async fn storage() -> (String, Arc<AtomicUsize>) {
    let puts = Arc::new(AtomicUsize::default());
    let counted = Arc::clone(&puts);
    let take = move |method: Method, _: axum::body::Bytes| async move {
        assert_eq!(method, Method::PUT);
        counted.fetch_add(1, Ordering::Relaxed);
    };
    let app = Router::new()
        .fallback(take)
        .layer(DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, puts)
}

#[tokio::test]
async fn code_is_looked_for_by_dry_run_and_diff_and_uploaded_by_register() {
    let (url, puts) = storage().await;
    let bench = Bench::with(&Options {
        storage_endpoint: Some(url),
        ..Options::default()
    })
    .await;
    // One workflow that needs nothing of other projects.
    let one = [
        "--workflow",
        "features.everything.guarded",
        "--output",
        "json",
    ];
    let dry = [&one[..], &["--dry-run"]].concat();
    let ran = bench.run("register", "features-fast.tgz", &dry).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let counts = bench.counts();
    assert_eq!(counts.by_rpc["CreateUploadLocation"], 1);
    assert_eq!(writes(&counts), Vec::<&String>::new(), "{counts:?}");
    assert_eq!(puts.load(Ordering::Relaxed), 0);
    let would_be = ran.json()["counts"]["created"].clone();

    let ran = bench.run("register", "features-fast.tgz", &one).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["counts"]["created"], would_be);
    assert_eq!(puts.load(Ordering::Relaxed), 1);

    for command in ["register", "diff"] {
        let more = if command == "diff" { &one[..] } else { &dry };
        let ran = bench.run(command, "features-fast.tgz", more).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    assert_eq!(puts.load(Ordering::Relaxed), 1);
}

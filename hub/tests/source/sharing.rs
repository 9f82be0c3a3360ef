//! Bytes are shared, permission is not.

use super::*;
use crate::registry::{Fault, manifest};

fn gets(asked: &[String], part: &str) -> usize {
    asked
        .iter()
        .filter(|asked| asked.starts_with("GET ") && asked.contains(part))
        .count()
}

#[tokio::test]
async fn a_thousand_of_the_same_are_one() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("pkg", "v1", &vec![7; 100_000]);
    let fetches = (0..1000).map(|_| setup.fetch("pkg"));
    for fetched in futures::future::join_all(fetches).await {
        assert_eq!(fetched.unwrap().package.size, Some(100_000));
    }
    assert_eq!(registry.asked().len(), 2);
}

#[tokio::test]
async fn a_thousand_tags_of_one_package_download_it_once() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let tags: Vec<String> = (0..1000).map(|number| format!("pkg:v{number}")).collect();
    for tag in &tags {
        registry.package("pkg", &tag["pkg:".len()..], &vec![7; 100_000]);
    }
    for fetched in futures::future::join_all(tags.iter().map(|uri| setup.fetch(uri))).await {
        assert_eq!(fetched.unwrap().package.size, Some(100_000));
    }
    let asked = registry.asked();
    assert_eq!(
        (
            gets(&asked, "/manifests/"),
            gets(&asked, "/blobs/"),
            asked.len()
        ),
        (1000, 1, 1001)
    );
}

#[tokio::test]
async fn repositories_with_the_same_package_share_the_bytes_and_ask_each() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let uris: Vec<String> = (0..50).map(|number| format!("pkg{number}")).collect();
    for uri in &uris {
        registry.package(uri, "v1", b"the package");
    }
    for _ in 0..2 {
        for fetched in futures::future::join_all(uris.iter().map(|uri| setup.fetch(uri))).await {
            assert_eq!(read(&fetched.unwrap()), b"the package");
        }
    }
    let asked = registry.asked();
    let heads = asked
        .iter()
        .filter(|asked| asked.starts_with("HEAD "))
        .count();
    assert_eq!(
        (gets(&asked, "/blobs/"), heads, gets(&asked, "/manifests/")),
        (1, 49, 100)
    );
}

#[tokio::test]
async fn naming_the_layer_of_another_repository_gets_nothing() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("private", "v1", b"secret package");
    registry.manifest("mine", "v1", &manifest(b"secret package", 14));

    let (reason, _) = setup.failure("mine").await;
    assert_eq!(reason, Reason::PackageNotFound, "before it is in the cache");
    setup.fetch("private").await.unwrap();
    let (reason, message) = setup.failure("mine").await;
    assert_eq!(reason, Reason::PackageNotFound, "when it is in the cache");
    assert!(
        message.contains("in mine, although the manifest names it"),
        "{message}"
    );

    // And at the same time.
    let dir = tempfile::tempdir().unwrap();
    let fresh = sources(dir.path(), &setup.configs);
    let (mine, private) = (setup.locate("mine", None), setup.locate("private", None));
    let (mine, private) = futures::join!(fresh.fetch(&mine), fresh.fetch(&private));
    assert_eq!(mine.unwrap_err().reason(), Reason::PackageNotFound);
    assert_eq!(read(&private.unwrap()), b"secret package");
}

#[tokio::test]
async fn a_wrong_size_does_not_harm_those_who_say_the_right_one() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("right", "v1", b"the package");
    registry.blob("wrong", b"the package");
    for size in [5, 50] {
        registry.manifest("wrong", "v1", &manifest(b"the package", size));
        setup.fetch("right").await.unwrap();
        assert_eq!(setup.failure("wrong").await.0, Reason::DigestMismatch);
        registry.asked();
        assert_eq!(read(&setup.fetch("right").await.unwrap()), b"the package");
        assert_eq!(
            registry.asked(),
            ["GET /v2/right/manifests/v1"],
            "it is still in the cache"
        );
    }
}

#[tokio::test]
async fn a_failure_is_shared_and_not_kept() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("pkg", "v1", b"the package");
    registry.fault("/manifests/", 1, Fault::Status(500, &[]));
    for fetched in futures::future::join_all((0..100).map(|_| setup.fetch("pkg"))).await {
        assert_eq!(fetched.unwrap_err().reason(), Reason::SourceUnavailable);
    }
    assert_eq!(registry.asked().len(), 1);
    assert!(setup.fetch("pkg").await.is_ok());
}

#[tokio::test]
async fn a_slow_registry_delays_nobody_elsewhere() {
    let (slow, fast) = (Registry::start().await, Registry::start().await);
    let mut setup = Setup::new(plain(&slow.authority, &json!({})));
    setup
        .configs
        .insert("other".to_owned(), plain(&fast.authority, &json!({})));
    let sources = setup.restarted();
    for registry in [&slow, &fast] {
        registry.package("pkg", "v1", b"the package");
    }
    slow.fault("/blobs/", 1, Fault::StallAfter(3));

    let stalled = at(
        &setup.configs,
        &format!("oci://{}/pkg:v1", slow.authority),
        None,
    );
    let other = at(
        &setup.configs,
        &format!("oci://{}/pkg:v1", fast.authority),
        None,
    );
    let fetched = tokio::select! {
        biased;
        _ = sources.fetch(&stalled) => panic!("the slow one was first"),
        fetched = async {
            // It has begun when the slow registry was asked for the blob.
            while !slow.asked().iter().any(|asked| asked.contains("/blobs/")) {
                tokio::task::yield_now().await;
            }
            sources.fetch(&other).await
        } => fetched,
    };
    assert_eq!(read(&fetched.unwrap()), b"the package");
}

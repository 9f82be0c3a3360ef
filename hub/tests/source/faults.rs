use std::time::Duration;

use super::*;
use crate::registry::{Fault, manifest};

#[tokio::test]
async fn refusals_of_the_manifest() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("pkg", "v1", b"the package");
    for (status, expected) in [
        (401, Reason::SourceUnauthorized),
        (403, Reason::SourceUnauthorized),
        (404, Reason::PackageNotFound),
        (500, Reason::SourceUnavailable),
        (502, Reason::SourceUnavailable),
        (503, Reason::SourceUnavailable),
    ] {
        for path in ["/manifests/", "/blobs/"] {
            registry.fault(path, 1, Fault::Status(status, &[]));
            let (reason, message) = setup.failure("pkg").await;
            assert_eq!(reason, expected, "{status} for {path}: {message}");
            assert!(
                message.starts_with(&format!("oci://{}/pkg:v1: ", registry.authority)),
                "{message}"
            );
        }
    }
    assert_eq!(
        setup.failure("pkg:missing").await.0,
        Reason::PackageNotFound
    );
    assert_eq!(setup.failure("missing").await.0, Reason::PackageNotFound);
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    for path in ["/manifests/", "/blobs/"] {
        let setup = Setup::new(plain(&registry.authority, &json!({})));
        registry.fault(path, 1, Fault::Status(429, &[]));
        assert_eq!(setup.failure("pkg").await.0, Reason::RateLimited, "{path}");
    }
}

#[tokio::test]
async fn a_host_that_answers_429_is_left_alone_by_all_its_sources() {
    let registry = Registry::start().await;
    registry.package("pkg", "v1", b"the package");
    let mut setup = Setup::new(plain(&registry.authority, &json!({})));
    let below = plain(&format!("{}/team", registry.authority), &json!({}));
    setup.configs.insert("team".to_owned(), below);
    let other = Registry::start().await;
    other.package("pkg", "v1", b"the package");
    let elsewhere = plain(&other.authority, &json!({}));
    setup.configs.insert("other".to_owned(), elsewhere);
    setup.sources = setup.restarted();

    registry.fault(
        "/manifests/",
        1,
        Fault::Status(429, &[("retry-after", "600")]),
    );
    setup.fetch("pkg").await.unwrap_err();
    registry.asked();
    for path in ["pkg", "team/pkg"] {
        let uri = format!("oci://{}/{path}:v1", registry.authority);
        let error = setup.fetch(&uri).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RateLimited);
        let patience = error.retry_after().unwrap();
        assert!((590..=600).contains(&patience.as_secs()), "{patience:?}");
    }
    assert!(registry.asked().is_empty());
    let uri = format!("oci://{}/pkg:v1", other.authority);
    assert!(
        setup.fetch(&uri).await.is_ok(),
        "other hosts are not concerned"
    );
}

#[tokio::test]
async fn retry_after_is_handed_on() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.fault(
        "/manifests/",
        1,
        Fault::Status(429, &[("retry-after", "17")]),
    );
    let error = setup.fetch("pkg").await.unwrap_err();
    assert_eq!(
        (error.reason(), error.retry_after()),
        (Reason::RateLimited, Some(Duration::from_secs(17)))
    );
}

#[tokio::test]
async fn nobody_listens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (reason, message) = Setup::new(plain(&authority, &json!({})))
        .failure("pkg")
        .await;
    assert_eq!(reason, Reason::SourceUnavailable);
    assert!(
        message.ends_with(&format!("{authority} refuses the connection")),
        "{message}"
    );
}

#[tokio::test]
async fn the_name_does_not_exist() {
    let (reason, message) = Setup::new(plain("registry.invalid:5000", &json!({})))
        .failure("pkg")
        .await;
    assert_eq!(reason, Reason::SourceUnavailable);
    assert!(message.contains("cannot be resolved"), "{message}");
}

#[tokio::test]
async fn a_broken_blob_is_resumed_where_it_broke() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    registry.package("pkg", "v1", &content);
    registry.fault("/blobs/", 1, Fault::BreakAfter(300_000));
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), content);
    let requests = registry.requests();
    let ranges: Vec<_> = requests
        .iter()
        .filter_map(|asked| asked.headers.get("range"))
        .collect();
    assert_eq!((requests.len(), ranges.len()), (3, 1));
    assert!(ranges[0].to_str().unwrap().starts_with("bytes="));
}

#[tokio::test]
async fn a_registry_without_ranges_sends_all_again() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("pkg", "v1", b"the package");
    registry.fault("/blobs/", 1, Fault::BreakAfter(4));
    registry.fault("/blobs/", 1, Fault::Body(b"the package".as_slice().into()));
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
}

#[tokio::test]
async fn truncated_twice_a_blob_is_left_to_the_queue() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("pkg", "v1", b"the package");
    registry.fault("/blobs/", 2, Fault::BreakAfter(4));
    assert_eq!(setup.failure("pkg").await.0, Reason::SourceUnavailable);
    assert_eq!(registry.asked().len(), 3);
    let left = std::fs::read_dir(setup.dir.path().join("tmp"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "nothing is left half-written");
}

#[tokio::test]
async fn a_broken_manifest_is_asked_for_again() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("pkg", "v1", b"the package");
    registry.fault("/manifests/", 1, Fault::BreakAfter(20));
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    registry.fault("/manifests/", 2, Fault::BreakAfter(20));
    assert_eq!(setup.failure("pkg").await.0, Reason::SourceUnavailable);
}

#[tokio::test]
async fn other_content_than_the_digest_says() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let digest = registry.package("pkg", "v1", b"the package");
    for (body, message) in [
        ("the pacKage", "has the digest"),
        ("the package and more", "sends more than the 11"),
    ] {
        registry.fault("/blobs/", 1, Fault::Body(body.into()));
        let (reason, text) = setup.failure("pkg").await;
        assert_eq!(reason, Reason::DigestMismatch);
        assert!(text.contains(message), "{text}");
    }
    registry.fault("/blobs/", 2, Fault::Body("the".into()));
    assert_eq!(
        setup.failure("pkg").await.0,
        Reason::SourceUnavailable,
        "too short is broken off"
    );

    registry.fault(
        "/manifests/",
        1,
        Fault::Body(manifest(b"other", 5).to_string().into()),
    );
    let error = setup
        .fetch(&format!("oci://{}/pkg@{digest}", registry.authority))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::DigestMismatch);
}

#[tokio::test]
async fn a_manifest_of_any_size_is_not_read() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.fault(
        "/manifests/",
        1,
        Fault::Body(vec![b' '; (4 << 20) + 1].into()),
    );
    assert_eq!(setup.failure("pkg").await.0, Reason::PackageTooLarge);
    registry.fault("/manifests/", 1, Fault::Body("{".into()));
    assert_eq!(setup.failure("pkg").await.0, Reason::PackageInvalid);
    registry.fault("/manifests/", 1, Fault::Body("[".repeat(1 << 20).into()));
    assert_eq!(setup.failure("pkg").await.0, Reason::PackageInvalid);
}

#[tokio::test]
async fn slowness_ends() {
    let (setup, registry) = Setup::with_registry(json!({"timeout": "1s"})).await;
    registry.package("pkg", "v1", b"the package");
    for path in ["/manifests/", "/blobs/"] {
        registry.fault(path, 1, Fault::StallAfter(3));
        let (reason, message) = setup.failure("pkg").await;
        assert_eq!(reason, Reason::SourceUnavailable);
        assert!(message.contains("does not answer within 1 s"), "{message}");
    }
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
}

#[tokio::test]
async fn only_blobs_are_followed_elsewhere_and_only_over_https() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let elsewhere = Registry::start().await;
    for registry in [&registry, &elsewhere] {
        registry.package("pkg", "v1", b"the package");
    }
    for (path, to) in [
        (
            "/manifests/",
            format!("http://{}/v2/pkg/manifests/v1", elsewhere.authority),
        ),
        (
            "/manifests/",
            format!("https://{}/v2/pkg/manifests/v1", elsewhere.authority),
        ),
        (
            "/blobs/",
            format!("http://{}/v2/pkg/blobs/x", elsewhere.authority),
        ),
    ] {
        registry.fault(path, 1, Fault::Redirect(to.clone()));
        let (reason, message) = setup.failure("pkg").await;
        assert_eq!(reason, Reason::SourceUnavailable, "{to}");
        assert!(
            message.contains("where the hub does not follow"),
            "{message}"
        );
    }
    assert!(elsewhere.asked().is_empty());

    registry.fault(
        "/blobs/",
        1,
        Fault::Redirect(format!("/v2/pkg/blobs/{}", Digest::of(b"the package"))),
    );
    assert_eq!(
        read(&setup.fetch("pkg").await.unwrap()),
        b"the package",
        "on the same host it is followed"
    );
    registry.fault(
        "/manifests/",
        100,
        Fault::Redirect("/v2/pkg/manifests/v1".to_owned()),
    );
    assert_eq!(
        setup.failure("pkg").await.0,
        Reason::SourceUnavailable,
        "round in circles"
    );
}

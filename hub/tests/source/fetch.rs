use super::*;
use crate::registry::{Fault, manifest};

#[tokio::test]
async fn a_tag_costs_two_requests_and_again_one() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let digest = registry.package("team/pkg", "v1", b"the package");

    let fetched = setup.fetch("team/pkg").await.unwrap();
    assert_eq!(read(&fetched), b"the package");
    assert_eq!(
        fetched.package.uri,
        format!("oci://{}/team/pkg:v1", registry.authority)
    );
    assert_eq!(fetched.package.digest, digest.as_str());
    assert_eq!(
        fetched.package.archive_digest.as_deref(),
        Some(Digest::of(b"the package").as_str())
    );
    assert_eq!(fetched.package.size, Some(11));
    let blob = format!("GET /v2/team/pkg/blobs/{}", Digest::of(b"the package"));
    assert_eq!(registry.asked(), ["GET /v2/team/pkg/manifests/v1", &blob]);

    assert_eq!(
        read(&setup.fetch("team/pkg").await.unwrap()),
        b"the package"
    );
    assert_eq!(registry.asked(), ["GET /v2/team/pkg/manifests/v1"]);
}

#[tokio::test]
async fn a_prefix_goes_before_relative_uris() {
    let registry = Registry::start().await;
    let setup = Setup::new(plain(&format!("{}/flyte", registry.authority), &json!({})));
    registry.package("flyte/team/pkg", "v1", b"the package");
    assert_eq!(
        read(&setup.fetch("team/pkg").await.unwrap()),
        b"the package"
    );
}

#[tokio::test]
async fn a_digest_is_asked_for_as_such() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let digest = registry.package("pkg", "v1", b"the package");
    let uri = format!("oci://{}/pkg@{digest}", registry.authority);
    let fetched = setup.fetch(&uri).await.unwrap();
    assert_eq!(fetched.package.uri, uri);
    assert_eq!(
        registry.asked()[0],
        format!("GET /v2/pkg/manifests/{digest}")
    );
}

#[tokio::test]
async fn a_pinned_tag_must_not_have_moved() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let digest = registry.package("pkg", "v1", b"the package");
    let package = setup.locate("pkg", Some(&digest));
    assert_eq!(
        read(&setup.sources.fetch(&package).await.unwrap()),
        b"the package"
    );

    registry.package("pkg", "v1", b"another package");
    let error = setup.sources.fetch(&package).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DigestMismatch);
    assert!(error.to_string().contains(digest.as_str()), "{error}");
}

#[tokio::test]
async fn the_next_process_asks_whether_it_may_and_does_not_download() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("pkg", "v1", b"the package");
    setup.fetch("pkg").await.unwrap();
    registry.asked();

    let next = setup.restarted();
    for _ in 0..2 {
        assert_eq!(
            read(&next.fetch(&setup.locate("pkg", None)).await.unwrap()),
            b"the package"
        );
    }
    let manifest = "GET /v2/pkg/manifests/v1".to_owned();
    let head = format!("HEAD /v2/pkg/blobs/{}", Digest::of(b"the package"));
    assert_eq!(registry.asked(), [manifest.clone(), head, manifest]);
}

#[tokio::test]
async fn a_damaged_package_is_downloaded_again() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("pkg", "v1", b"the package");
    setup.fetch("pkg").await.unwrap();
    let file = setup
        .dir
        .path()
        .join("blobs/sha256")
        .join(Digest::of(b"the package").hex());
    std::fs::write(file, b"the damage!").unwrap();
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    assert_eq!(
        registry
            .asked()
            .iter()
            .filter(|asked| asked.contains("/blobs/"))
            .count(),
        2
    );
}

#[tokio::test]
async fn sizes_are_bounded_before_the_download() {
    let (setup, registry) = Setup::with_registry(json!({"maxPackageSize": 10})).await;
    registry.package("pkg", "v1", b"the package");
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::PackageTooLarge);
    assert!(
        message.ends_with("the package has 11 bytes, the source allows 10"),
        "{message}"
    );
    assert_eq!(registry.asked().len(), 1);
}

#[tokio::test]
async fn a_package_larger_than_the_cache_is_not_begun() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.manifest("pkg", "v1", &manifest(b"x", 65 << 20));
    assert_eq!(setup.failure("pkg").await.0, Reason::PackageTooLarge);
    assert_eq!(registry.asked().len(), 1);
}

#[tokio::test]
async fn what_is_no_package_is_named() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let mut chart = manifest(b"x", 1);
    chart["layers"][0]["mediaType"] = json!("application/vnd.cncf.helm.chart");
    registry.manifest("pkg", "v1", &chart);
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::PackageInvalid);
    let begin = format!(
        "oci://{}/pkg:v1: the manifest must have one layer",
        registry.authority
    );
    assert!(
        message.starts_with(&begin) && message.contains("helm.chart"),
        "{message}"
    );
}

#[tokio::test]
async fn no_more_requests_at_a_time_than_allowed() {
    let (setup, registry) = Setup::with_registry(json!({"maxConcurrent": 3})).await;
    for number in 0..40_u8 {
        registry.package(&format!("pkg{number}"), "v1", &[number; 5000]);
    }
    let uris: Vec<String> = (0..40).map(|number| format!("pkg{number}")).collect();
    for fetched in futures::future::join_all(uris.iter().map(|uri| setup.fetch(uri))).await {
        assert_eq!(fetched.unwrap().package.size, Some(5000));
    }
    assert!(
        (2..=3).contains(&registry.most_in_flight()),
        "{}",
        registry.most_in_flight()
    );
}

#[tokio::test]
async fn an_index_with_one_package_is_followed() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    let mut inner = manifest(b"the package", 11);
    inner["annotations"] = json!({"org.opencontainers.image.revision": "4f0c"});
    registry.blob("pkg", b"the package");
    let digest = registry.manifest("pkg", "inner", &inner);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": inner["mediaType"], "digest": digest.as_str(), "size": 2}],
        "annotations": {"org.opencontainers.image.source": "https://git.example/etl"},
    });
    let outer = registry.manifest("pkg", "v1", &index);
    let fetched = setup.fetch("pkg").await.unwrap();
    assert_eq!(read(&fetched), b"the package");
    assert_eq!(fetched.package.digest, outer.as_str(), "what the tag names");
    assert_eq!(
        fetched.package.source.as_deref(),
        Some("https://git.example/etl")
    );
    assert_eq!(fetched.package.revision.as_deref(), Some("4f0c"));

    // A manifest that is not the one that the index names.
    let other = manifest(b"another", 7).to_string();
    registry.fault("/manifests/sha256", 1, Fault::Body(other.into()));
    assert_eq!(setup.failure("pkg").await.0, Reason::DigestMismatch);
}

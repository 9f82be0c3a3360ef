//! Demanded signatures. Here they are made by `rcgen`'s keys, in the form of the real cosign, whose own are
//! verified by the unit tests and end to end.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flyte_registration_hub::source::SignaturesConfig;
use rcgen::{KeyPair, SigningKey as _};

use super::*;
use crate::registry::{Fault, Registry};

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// A key pair, its public half in a file.
struct Key {
    pair: KeyPair,
    file: PathBuf,
    _dir: TempDir,
}

impl Key {
    fn generate() -> Self {
        let (pair, dir) = (KeyPair::generate().unwrap(), tempfile::tempdir().unwrap());
        let file = dir.path().join("cosign.pub");
        std::fs::write(&file, pair.public_key_pem()).unwrap();
        Self {
            pair,
            file,
            _dir: dir,
        }
    }

    /// A layer with the signature of `manifest`, whose payload is put into the repository.
    fn sign(&self, registry: &Registry, repository: &str, manifest: &Digest) -> Value {
        let payload = json!({"critical": {
            "identity": {"docker-reference": repository},
            "image": {"docker-manifest-digest": manifest.as_str()},
            "type": "cosign container image signature",
        }, "optional": null})
        .to_string();
        registry.blob(repository, payload.as_bytes());
        let signature = STANDARD.encode(self.pair.sign(payload.as_bytes()).unwrap());
        json!({"mediaType": PAYLOAD, "digest": Digest::of(payload.as_bytes()).as_str(), "size": payload.len(),
            "annotations": {"dev.cosignproject.cosign/signature": signature}})
    }
}

/// Puts `signatures` where cosign puts those of `manifest`.
fn store(registry: &Registry, repository: &str, manifest: &Digest, signatures: &[Value]) {
    let list = json!({"schemaVersion": 2, "layers": signatures});
    registry.manifest(repository, &tag(manifest), &list);
}

fn tag(manifest: &Digest) -> String {
    format!("sha256-{}.sig", manifest.hex())
}

fn demand(files: &[&PathBuf]) -> Value {
    json!({"signatures": {"keyFiles": files}})
}

/// A source that demands a signature by `key`, and a package `pkg:v1` there.
async fn setup(key: &Key) -> (Setup, Registry, Digest) {
    let (setup, registry) = Setup::with_registry(demand(&[&key.file])).await;
    let manifest = registry.package("pkg", "v1", b"the package");
    (setup, registry, manifest)
}

/// The same, signed by it.
async fn signed(key: &Key) -> (Setup, Registry, Digest, Value) {
    let (setup, registry, manifest) = setup(key).await;
    let signature = key.sign(&registry, "pkg", &manifest);
    store(
        &registry,
        "pkg",
        &manifest,
        std::slice::from_ref(&signature),
    );
    (setup, registry, manifest, signature)
}

#[tokio::test]
async fn a_signed_package_costs_two_more_requests_and_none_again() {
    let key = Key::generate();
    let (setup, registry, manifest, signature) = signed(&key).await;
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    let payload = signature["digest"].as_str().unwrap();
    assert_eq!(
        registry.asked(),
        [
            "GET /v2/pkg/manifests/v1".to_owned(),
            format!("GET /v2/pkg/manifests/{}", tag(&manifest)),
            format!("GET /v2/pkg/blobs/{payload}"),
            format!("GET /v2/pkg/blobs/{}", Digest::of(b"the package")),
        ]
    );
    setup.fetch("pkg").await.unwrap();
    assert_eq!(registry.asked(), ["GET /v2/pkg/manifests/v1"]);

    // What was verified is one manifest in one repository.
    registry.package("pkg", "v1", b"another package");
    assert_eq!(setup.failure("pkg").await.0, Reason::SignatureInvalid);
    registry.package("mirror/pkg", "v1", b"the package");
    let (reason, _) = setup.failure("mirror/pkg").await;
    assert_eq!(reason, Reason::SignatureInvalid);
}

#[tokio::test]
async fn an_unsigned_package_is_refused_before_its_download_and_accepted_once_signed() {
    let key = Key::generate();
    let (setup, registry, manifest) = setup(&key).await;
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::SignatureInvalid);
    let command = format!(
        "cosign sign --key KEY --tlog-upload=false {}/pkg@{manifest}",
        registry.authority
    );
    assert!(message.ends_with(&command), "{message}");
    let archive = format!("GET /v2/pkg/blobs/{}", Digest::of(b"the package"));
    assert!(!registry.asked().contains(&archive));

    let signature = key.sign(&registry, "pkg", &manifest);
    store(&registry, "pkg", &manifest, &[signature]);
    setup.fetch("pkg").await.unwrap();
}

#[tokio::test]
async fn signatures_by_others_or_of_others_are_none() {
    let (key, other) = (Key::generate(), Key::generate());
    let (setup, registry, manifest) = setup(&key).await;
    let foreign = other.sign(&registry, "pkg", &manifest);
    store(&registry, "pkg", &manifest, std::slice::from_ref(&foreign));
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::SignatureInvalid);
    assert!(message.contains("none of the 1 signatures"), "{message}");

    let another = registry.package("pkg", "v2", b"another package");
    let copied = key.sign(&registry, "pkg", &another);
    store(&registry, "pkg", &manifest, &[foreign.clone(), copied]);
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::SignatureInvalid);
    assert!(message.ends_with(&format!("is of {another}")), "{message}");

    let good = key.sign(&registry, "pkg", &manifest);
    store(&registry, "pkg", &manifest, &[good, foreign]);
    setup.fetch("pkg").await.unwrap();
}

#[tokio::test]
async fn the_index_is_what_must_be_signed() {
    let key = Key::generate();
    let (setup, registry) = Setup::with_registry(demand(&[&key.file])).await;
    let inner = registry.package("pkg", "inner", b"the package");
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": inner.as_str(), "size": 1}]});
    let index = registry.manifest("pkg", "v1", &index);
    let signature = key.sign(&registry, "pkg", &inner);
    store(&registry, "pkg", &inner, &[signature]);
    assert_eq!(setup.failure("pkg").await.0, Reason::SignatureInvalid);
    let signature = key.sign(&registry, "pkg", &index);
    store(&registry, "pkg", &index, &[signature]);
    setup.fetch("pkg").await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_replaced_in_its_file_counts_no_more() {
    let (old, new) = (Key::generate(), Key::generate());
    let (setup, registry, manifest, by_old) = signed(&old).await;
    setup.fetch("pkg").await.unwrap();

    std::fs::copy(&new.file, &old.file).unwrap();
    assert_eq!(setup.failure("pkg").await.0, Reason::SignatureInvalid);
    let by_new = new.sign(&registry, "pkg", &manifest);
    store(&registry, "pkg", &manifest, &[by_old, by_new]);
    setup.fetch("pkg").await.unwrap();

    std::fs::write(&old.file, "no key").unwrap();
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::SourceUnavailable);
    assert!(message.contains("cannot read the keys"), "{message}");
}

#[tokio::test]
async fn what_the_tenant_demands_comes_on_top() {
    let (sources, tenants) = (Key::generate(), Key::generate());
    let (setup, registry, manifest, by_source) = signed(&sources).await;
    let mut package = setup.locate("pkg", None);
    setup.sources.fetch(&package).await.unwrap();
    package.signatures = Some(SignaturesConfig {
        key_files: vec![tenants.file.clone()],
    });
    let error = setup.sources.fetch(&package).await.unwrap_err();
    assert_eq!(error.reason(), Reason::SignatureInvalid);
    let by_tenant = tenants.sign(&registry, "pkg", &manifest);
    store(&registry, "pkg", &manifest, &[by_source, by_tenant]);
    setup.sources.fetch(&package).await.unwrap();
}

#[tokio::test]
async fn a_tenant_that_demands_signatures_gets_no_files() {
    let (key, registry) = (Key::generate(), Registry::start().await);
    let url = format!("http://{}", registry.authority);
    let setup = Setup::new(config(
        json!({"kind": "http", "url": url, "plainHttp": true}),
        &json!({}),
    ));
    let mut package = setup.locate("pkg", None);
    package.signatures = Some(SignaturesConfig {
        key_files: vec![key.file.clone()],
    });
    let error = setup.sources.fetch(&package).await.unwrap_err();
    assert_eq!(error.reason(), Reason::SignatureInvalid);
    assert!(registry.asked().is_empty());
}

#[tokio::test]
async fn trouble_on_the_way_to_a_signature_is_no_verdict() {
    let key = Key::generate();
    let (setup, registry, ..) = signed(&key).await;
    for (path, fault, reason) in [
        (".sig", Fault::Status(503, &[]), Reason::SourceUnavailable),
        (".sig", Fault::Status(403, &[]), Reason::SourceUnauthorized),
        (
            "/blobs/",
            Fault::Status(429, &[("retry-after", "0")]),
            Reason::RateLimited,
        ),
        (
            "/blobs/",
            Fault::Status(500, &[]),
            Reason::SourceUnavailable,
        ),
    ] {
        registry.fault(path, 1, fault);
        assert_eq!(setup.failure("pkg").await.0, reason, "{path}");
        registry.forget_faults();
    }
    // A connection that breaks once is not even noticed.
    registry.fault(".sig", 1, Fault::BreakAfter(10));
    registry.fault("/blobs/", 1, Fault::BreakAfter(10));
    setup.fetch("pkg").await.unwrap();
}

#[tokio::test]
async fn payloads_that_are_missing_huge_or_exchanged_are_passed_over() {
    let key = Key::generate();
    let (setup, registry, manifest) = setup(&key).await;
    let (good, another) = (
        key.sign(&registry, "pkg", &manifest),
        registry.package("pkg", "v2", b"another package"),
    );
    let mut missing = good.clone();
    missing["digest"] = json!(Digest::of(b"nowhere").as_str());
    store(&registry, "pkg", &manifest, std::slice::from_ref(&missing));
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::SignatureInvalid);
    assert!(message.contains("can be read"), "{message}");
    for fault in [
        Fault::Body(vec![b' '; 100_000].into()),
        Fault::Unannounced(vec![b' '; 100_000].into()),
        Fault::Body("{}".into()),
    ] {
        registry.fault("/blobs/", 1, fault);
        let exchanged = key.sign(&registry, "pkg", &another);
        store(
            &registry,
            "pkg",
            &manifest,
            std::slice::from_ref(&exchanged),
        );
        assert_eq!(setup.failure("pkg").await.0, Reason::SignatureInvalid);
    }
    registry.fault(".sig", 1, Fault::Body(vec![b' '; 5 << 20].into()));
    assert_eq!(setup.failure("pkg").await.0, Reason::SignatureInvalid);
    store(&registry, "pkg", &manifest, &[good, missing]);
    setup.fetch("pkg").await.unwrap();
}

#[tokio::test]
async fn who_asks_for_the_same_at_the_same_time_shares_one_look() {
    let key = Key::generate();
    let (setup, registry, manifest) = setup(&key).await;
    let signature = key.sign(&registry, "pkg", &manifest);
    store(&registry, "pkg", &manifest, &[signature]);
    let fetches = (0..100).map(|_| setup.fetch("pkg"));
    for fetched in futures::future::join_all(fetches).await {
        fetched.unwrap();
    }
    let looks = registry.asked();
    let looks = looks.iter().filter(|asked| asked.contains(".sig")).count();
    assert_eq!(looks, 1);
}

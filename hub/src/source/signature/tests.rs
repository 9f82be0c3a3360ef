//! `tests/cosign` is what cosign 2.6.5 stored in a registry (`cosign sign --tlog-upload=false`) after four keys signed
//! one manifest: a P-256 key of `generate-key-pair`, and an Ed25519, an RSA and a P-384 key of `import-key-pair`. It
//! verifies two of the four itself: P-256 and RSA. The private keys are gone.

use proptest::prelude::*;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use super::{
    key::KeyError,
    payload::check,
    stored::{SIGNATURES_MAX, Signature},
    *,
};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("tests/cosign/", $name)).as_slice()
    };
}

/// What the fixtures are signatures of.
const MANIFEST: &str = "sha256:a0dea66f8dcc32d0d1b82c70d536c4eb43af412ee9588bfe7fd127389b93e9f4";

fn manifest() -> Digest {
    Digest::parse(MANIFEST).unwrap()
}

fn signatures() -> Vec<Signature> {
    stored::read(fixture!("signatures.json")).unwrap()
}

fn keys(pem: &[u8]) -> Keys {
    Keys::parse(pem).unwrap()
}

/// A payload as cosign makes it, with another value at a place of it.
fn payload(pointer: &str, value: Value) -> Vec<u8> {
    let mut payload = json!({
        "critical": {
            "identity": {"docker-reference": "registry.example/team/etl"},
            "image": {"docker-manifest-digest": MANIFEST},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    *payload.pointer_mut(pointer).unwrap() = value;
    payload.to_string().into_bytes()
}

#[test]
fn signatures_of_the_real_cosign_are_good() {
    let payload = fixture!("payload.json");
    let signatures = signatures();
    assert_eq!(signatures.len(), 4);
    for signature in &signatures {
        assert_eq!(signature.payload, Digest::of(payload));
    }
    // The newest first: P-384, RSA, Ed25519, P-256.
    for (pem, number) in [(fixture!("p256.pub"), 3), (fixture!("rsa.pub"), 1)] {
        for (index, stored) in signatures.iter().enumerate() {
            let checked = check(payload, &stored.signature, &keys(pem), &manifest());
            let expected = if index == number {
                Ok(())
            } else {
                Err(Unfit::Key)
            };
            assert_eq!(checked, expected, "{index}");
        }
    }
    // Any of several keys will do.
    let both = [fixture!("rsa.pub"), fixture!("p256.pub")].concat();
    let checked = check(payload, &signatures[3].signature, &keys(&both), &manifest());
    assert_eq!(checked, Ok(()));
}

#[test]
fn nothing_may_be_changed() {
    let (good, key) = (fixture!("payload.json"), keys(fixture!("p256.pub")));
    let signature = &signatures()[3].signature;
    let another = Digest::of(b"another manifest");
    let moved = check(good, signature, &key, &another);
    assert_eq!(moved, Err(Unfit::Manifest(MANIFEST.to_owned())));
    let mut edited = good.to_vec();
    *edited.last_mut().unwrap() = b' ';
    assert_eq!(
        check(&edited, signature, &key, &manifest()),
        Err(Unfit::Key)
    );
    for end in [0, 1, signature.len() - 1] {
        let cut = check(good, &signature[..end], &key, &manifest());
        assert_eq!(cut, Err(Unfit::Key), "{end}");
    }
}

#[test]
fn what_a_known_key_signed_must_be_about_the_manifest() {
    let pair = KeyPair::generate().unwrap();
    let key = keys(pair.public_key_pem().as_bytes());
    let sign = |payload: &[u8]| check(payload, &pair.sign(payload).unwrap(), &key, &manifest());
    // Where a name leads is not part of it: the digest is.
    let mirrored = payload(
        "/critical/identity",
        json!({"docker-reference": "mirror/etl"}),
    );
    assert_eq!(sign(&mirrored), Ok(()));
    assert_eq!(sign(&payload("/optional", json!({"git": "main"}))), Ok(()));

    let other = Digest::of(b"other").to_string();
    let pointer = "/critical/image/docker-manifest-digest";
    assert_eq!(
        sign(&payload(pointer, json!(other))),
        Err(Unfit::Manifest(other))
    );
    for (pointer, value) in [
        (pointer, json!(null)),
        (pointer, json!([MANIFEST])),
        ("/critical/image", json!({})),
        ("/critical/type", json!("atomic container signature")),
        (
            "/critical",
            json!({"image": {"docker-manifest-digest": MANIFEST}}),
        ),
        ("", json!("text")),
    ] {
        let unfit = sign(&payload(pointer, value.clone()));
        assert!(
            matches!(unfit, Err(Unfit::Payload(_))),
            "{value}: {unfit:?}"
        );
    }
    let twice = format!(
        r#"{{"critical": {{"type": "cosign container image signature",
            "image": {{"docker-manifest-digest": "{MANIFEST}", "docker-manifest-digest": "{MANIFEST}"}}}}}}"#
    );
    assert!(matches!(sign(twice.as_bytes()), Err(Unfit::Payload(_))));
}

#[test]
fn files_that_hold_no_usable_key() {
    let private = KeyPair::generate().unwrap().serialize_pem();
    for empty in ["", "text", &private] {
        let error = Keys::parse(empty.as_bytes()).unwrap_err();
        assert!(matches!(error, KeyError::Empty), "{empty}: {error}");
    }
    let junk = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    for foreign in [
        fixture!("ed25519.pub"),
        fixture!("p384.pub"),
        junk.as_bytes(),
    ] {
        let beside = [fixture!("p256.pub"), foreign].concat();
        for pem in [foreign, &beside] {
            assert!(matches!(Keys::parse(pem), Err(KeyError::Kind)));
        }
    }
    let broken = "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n";
    assert!(matches!(
        Keys::parse(broken.as_bytes()),
        Err(KeyError::Pem(_))
    ));
}

#[tokio::test]
async fn key_files_are_bounded_and_their_changes_seen() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cosign.pub");
    let read = async || Keys::read(std::slice::from_ref(&file)).await;
    assert!(read().await.is_err(), "no such file");
    std::fs::write(&file, fixture!("p256.pub")).unwrap();
    let one = read().await.unwrap();
    assert_eq!(one.fingerprint(), read().await.unwrap().fingerprint());
    std::fs::write(&file, fixture!("rsa.pub")).unwrap();
    assert_ne!(one.fingerprint(), read().await.unwrap().fingerprint());
    std::fs::write(&file, fixture!("p256.pub").repeat(1000)).unwrap();
    assert!(read().await.is_err(), "too large");
}

#[test]
fn lists_are_bounded_and_layers_that_are_no_signatures_passed_over() {
    let digest = Digest::of(b"payload");
    let layer = |media_type: &str, digest: &str, signature: &str| {
        json!({"mediaType": media_type, "digest": digest, "size": 7,
            "annotations": {"dev.cosignproject.cosign/signature": signature}})
    };
    let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
    let good = layer(kind, digest.as_str(), "AAAA");
    let read = |layers: Vec<Value>| {
        stored::read(
            json!({"schemaVersion": 2, "layers": layers})
                .to_string()
                .as_bytes(),
        )
        .unwrap()
    };
    let bad = [
        layer("application/json", digest.as_str(), "AAAA"),
        layer(kind, "sha512:00", "AAAA"),
        layer(kind, "../../secret", "AAAA"),
        layer(kind, digest.as_str(), "not base64"),
        layer(kind, digest.as_str(), &"A".repeat(4096)),
        json!({"mediaType": kind, "digest": digest.as_str(), "size": 7}),
    ];
    assert!(read(bad.to_vec()).is_empty());
    assert_eq!(
        read([&bad[..], std::slice::from_ref(&good)].concat()).len(),
        1
    );

    let newest = layer(kind, Digest::of(b"newest").as_str(), "AAAA");
    let many = read([vec![good; 10_000], vec![newest]].concat());
    assert_eq!(many.len(), SIGNATURES_MAX);
    assert_eq!(many[0].payload, Digest::of(b"newest"));

    for text in ["", "{}", "[]", r#"{"layers": 1}"#, r#"{"manifests": []}"#] {
        assert!(stored::read(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn the_closest_miss_is_told() {
    let misses = [
        Unfit::Missing,
        Unfit::Key,
        Unfit::Payload("problem".to_owned()),
        Unfit::Manifest(MANIFEST.to_owned()),
    ];
    assert!(misses.is_sorted());
    let told = |unfit: &Unfit| unfit.explain(&manifest(), 2);
    assert!(told(&misses[1]).starts_with("none of the 2 signatures of sha256:"));
    assert!(told(&misses[3]).ends_with(&format!("is of {MANIFEST}")));
}

proptest! {
    #[test]
    fn no_bytes_break_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = stored::read(&bytes);
        let _ = Keys::parse(&bytes);
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes)
        );
        let _ = Keys::parse(pem.as_bytes());
        let key = keys(fixture!("p256.pub"));
        prop_assert_eq!(check(fixture!("payload.json"), &bytes, &key, &manifest()), Err(Unfit::Key));
    }

    #[test]
    fn no_changed_byte_is_accepted(
        at in 0..240_usize, byte in any::<u8>(), of_key in any::<bool>(),
    ) {
        let (mut payload, mut pem) = (fixture!("payload.json").to_vec(), fixture!("p256.pub").to_vec());
        let bytes = if of_key { &mut pem } else { &mut payload };
        let place = at % bytes.len();
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        // A changed label or line end of the PEM may leave the same key.
        if let Ok(changed) = Keys::parse(&pem)
            && (!of_key || changed.fingerprint() != keys(fixture!("p256.pub")).fingerprint())
        {
            let signature = &signatures()[3].signature;
            prop_assert!(check(&payload, signature, &changed, &manifest()).is_err());
        }
    }
}

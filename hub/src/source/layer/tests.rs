use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

fn layer(media_type: &str, title: Option<&str>, letter: char) -> Value {
    let digest = format!("sha256:{}", letter.to_string().repeat(64));
    let mut layer = json!({"mediaType": media_type, "digest": digest, "size": 7});
    if let Some(title) = title {
        layer["annotations"] = json!({"org.opencontainers.image.title": title});
    }
    layer
}

fn manifest(layers: &[Value]) -> Value {
    let config = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").as_str(), "size": 2});
    json!({"schemaVersion": 2, "config": config, "layers": layers})
}

fn chosen(manifest: &Value) -> Result<char, String> {
    let digest = match choose(manifest.to_string().as_bytes())? {
        Choice::Layer(layer, _) => layer.digest,
        Choice::Manifest(digest, _) => digest,
    };
    Ok(digest.hex().chars().next().unwrap())
}

#[test]
fn the_only_layer() {
    for media_type in [
        OCI_LAYER,
        DOCKER_LAYER,
        "application/vnd.flyte.package.v1.tar+gzip",
        "application/gzip",
    ] {
        assert_eq!(
            chosen(&manifest(&[layer(media_type, None, 'a')])),
            Ok('a'),
            "{media_type}"
        );
    }
    assert_eq!(
        chosen(&manifest(&[layer(
            "application/octet-stream",
            Some("flyte-package.tgz"),
            'a'
        )])),
        Ok('a')
    );
}

#[test]
fn an_artifact_type_changes_nothing() {
    let mut typed = manifest(&[layer(OCI_LAYER, None, 'a')]);
    typed["artifactType"] = json!("application/vnd.example");
    typed["mediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
    assert_eq!(chosen(&typed), Ok('a'));
    typed["mediaType"] = json!("application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(chosen(&typed), Ok('a'));
}

#[test]
fn the_one_with_the_title() {
    let layers = [
        layer("text/plain", Some("README.md"), 'a'),
        layer("application/x", Some("pkg.tar.gz"), 'b'),
    ];
    assert_eq!(chosen(&manifest(&layers)), Ok('b'));
}

#[test]
fn what_is_there_instead_is_named() {
    let two = [
        layer(OCI_LAYER, Some("a.tgz"), 'a'),
        layer(OCI_LAYER, Some("b.tgz"), 'b'),
    ];
    let message = chosen(&manifest(&two)).unwrap_err();
    assert!(
        message.contains("it has 2: ") && message.contains("titled b.tgz"),
        "{message}"
    );

    let untitled = [layer(OCI_LAYER, None, 'a'), layer(OCI_LAYER, None, 'b')];
    assert!(chosen(&manifest(&untitled)).is_err());
    let message = chosen(&manifest(&[layer(
        "application/vnd.cncf.helm.config",
        None,
        'a',
    )]))
    .unwrap_err();
    assert!(message.contains("vnd.cncf.helm.config"), "{message}");
    assert!(chosen(&manifest(&[])).unwrap_err().contains("it has 0"));

    let many: Vec<_> = (0..1000)
        .map(|_| layer(&"x".repeat(500), None, 'a'))
        .collect();
    assert!(chosen(&manifest(&many)).unwrap_err().len() < 1100);
}

#[test]
fn other_manifests() {
    let index = json!({"schemaVersion": 2, "manifests": []});
    assert!(chosen(&index).unwrap_err().contains("index"));
    let old = json!({"schemaVersion": 1, "fsLayers": []});
    assert!(chosen(&old).unwrap_err().contains("schema version 1"));
}

fn entry(letter: char, more: &Value) -> Value {
    let digest = format!("sha256:{}", letter.to_string().repeat(64));
    let mut entry = json!({"mediaType": OCI_IMAGE_MEDIA_TYPE, "digest": digest, "size": 7});
    entry
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    entry
}

#[test]
fn an_index_with_one_usable_entry() {
    let index = |entries: &[Value]| json!({"schemaVersion": 2, "manifests": entries});
    let plain = entry('a', &json!({}));
    let attestation = entry(
        'b',
        &json!({
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        }),
    );
    let nested = entry(
        'c',
        &json!({"mediaType": "application/vnd.oci.image.index.v1+json"}),
    );
    let ours = entry('d', &json!({"artifactType": ARTIFACT_TYPE}));
    let docker = entry('e', &json!({"mediaType": IMAGE_MANIFEST_MEDIA_TYPE}));
    assert_eq!(chosen(&index(std::slice::from_ref(&plain))), Ok('a'));
    assert_eq!(chosen(&index(&[docker])), Ok('e'));
    assert_eq!(
        chosen(&index(&[
            attestation.clone(),
            plain.clone(),
            nested.clone()
        ])),
        Ok('a')
    );
    assert_eq!(chosen(&index(&[plain.clone(), ours.clone()])), Ok('d'));
    for (entries, count) in [
        (vec![], "0"),
        (vec![nested, attestation], "0"),
        (vec![plain.clone(), plain.clone()], "2"),
        (vec![ours.clone(), ours], "2"),
    ] {
        let message = chosen(&index(&entries)).unwrap_err();
        assert!(
            message.contains(&format!("with {count} manifests")),
            "{message}"
        );
    }
    let mut bad = plain;
    bad["digest"] = json!("sha256:../../etc");
    assert!(chosen(&index(&[bad])).is_err());
}

#[test]
fn where_it_came_from() {
    let annotations = json!({
        "org.opencontainers.image.source": "https://git.example/team/etl",
        "org.opencontainers.image.revision": format!("4f0c\n{}", "x".repeat(1000)),
    });
    let mut annotated = manifest(&[layer(OCI_LAYER, None, 'a')]);
    annotated["annotations"] = annotations.clone();
    let Ok(Choice::Layer(_, origin)) = choose(annotated.to_string().as_bytes()) else {
        panic!("no layer")
    };
    assert_eq!(
        origin.source.as_deref(),
        Some("https://git.example/team/etl")
    );
    let revision = origin.revision.clone().unwrap();
    assert!(
        revision.starts_with("4f0c x") && revision.len() < 200,
        "{revision}"
    );

    let index = json!({"schemaVersion": 2, "manifests": [entry('a', &json!({}))], "annotations": annotations});
    let Ok(Choice::Manifest(_, outer)) = choose(index.to_string().as_bytes()) else {
        panic!("no manifest")
    };
    assert_eq!(Origin::default().or(outer), origin);
}

#[test]
fn descriptors_that_lie() {
    let mut bad = layer(OCI_LAYER, None, 'a');
    bad["digest"] = json!("sha256:../../../etc/passwd");
    assert!(chosen(&manifest(std::slice::from_ref(&bad))).is_err());
    bad = layer(OCI_LAYER, None, 'a');
    bad["size"] = json!(-1);
    assert!(chosen(&manifest(&[bad])).is_err());
}

fn any_layer() -> impl Strategy<Value = Value> {
    let media_type = prop_oneof![
        Just(OCI_LAYER.to_owned()),
        Just(DOCKER_LAYER.to_owned()),
        "\\PC{0,400}",
    ];
    let title = prop_oneof!["[a-z]{1,3}\\.(tgz|tar\\.gz|TGZ|md)", "(?s).{0,400}"];
    let digest = prop_oneof![
        "sha256:[0-9a-f]{64}",
        "sha(256|512):[0-9a-fA-F]{0,70}",
        "\\PC{0,400}"
    ];
    let size = prop_oneof![0..1_000_000_i64, any::<i64>()];
    let title = proptest::option::of(title);
    (media_type, digest, size, title).prop_map(|(media_type, digest, size, title)| {
        let mut layer = json!({"mediaType": media_type, "digest": digest, "size": size});
        if let Some(title) = title {
            layer["annotations"] = json!({"org.opencontainers.image.title": title});
        }
        layer
    })
}

fn any_entry() -> impl Strategy<Value = Value> {
    let media_type = prop_oneof![
        Just(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        Just(IMAGE_MANIFEST_MEDIA_TYPE.to_owned()),
        "\\PC{0,20}",
    ];
    (any_layer(), media_type, any::<bool>()).prop_map(|(mut entry, media_type, ours)| {
        entry["mediaType"] = media_type.into();
        if ours {
            entry["artifactType"] = ARTIFACT_TYPE.into();
        }
        entry
    })
}

/// A message that a tenant may read, however much of it the registry wrote.
fn is_fit_to_show(message: &str) -> bool {
    message.len() < 4096 && !message.contains(char::is_control)
}

proptest! {
    #[test]
    fn what_is_chosen_is_in_the_manifest(layers in proptest::collection::vec(any_layer(), 0..8)) {
        match choose(manifest(&layers).to_string().as_bytes()) {
            Ok(Choice::Layer(chosen, _)) => {
                let is_chosen = |layer: &Value| {
                    layer["digest"] == chosen.digest.as_str() && layer["size"] == chosen.size
                };
                prop_assert!(layers.iter().any(is_chosen));
            }
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(message) => prop_assert!(is_fit_to_show(&message), "{message}"),
        }
    }

    #[test]
    fn what_is_chosen_is_in_the_index(entries in proptest::collection::vec(any_entry(), 0..4)) {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        match choose(index.to_string().as_bytes()) {
            Ok(Choice::Manifest(chosen, _)) => {
                prop_assert!(entries.iter().any(|entry| entry["digest"] == chosen.as_str()));
            }
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(message) => prop_assert!(is_fit_to_show(&message), "{message}"),
        }
    }

    #[test]
    fn a_damaged_manifest_panics_nobody(
        layers in proptest::collection::vec(any_layer(), 0..3),
        place in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = manifest(&layers).to_string().into_bytes();
        let place = place.index(bytes.len());
        let _ = choose(&bytes[..place]);
        bytes[place] = byte;
        if let Err(message) = choose(&bytes) {
            prop_assert!(is_fit_to_show(&message), "{message}");
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(choose(&bytes).is_err());
    }
}

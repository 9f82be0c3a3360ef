//! Which layer of a manifest is the package. Pure.

use oci_client::manifest::{OciDescriptor, OciImageManifest};
use serde::Deserialize;

use super::{error::quoted, names::Digest};

/// Most layers that a message lists.
const LISTED_MAX: usize = 5;

/// The layer that holds the package.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Layer {
    pub(super) digest: Digest,
    /// Bytes, by the manifest.
    pub(super) size: u64,
}

/// What tells the kinds of manifests apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    schema_version: u8,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
}

/// The layer of an OCI or Docker v2 image manifest that is a gzipped tar: the one whose title says
/// so, or else the only one there is, by its media type. Otherwise what is there instead.
///
/// Registries keep any artifact as an image manifest, and tools differ in which media types they
/// give (`oras push` none that means something, Docker its own), hence the leniency; neither
/// `artifactType` nor the config is looked at.
pub(super) fn choose(manifest: &[u8]) -> Result<Layer, String> {
    let kind: Kind = serde_json::from_slice(manifest).map_err(|error| {
        format!(
            "the manifest cannot be read: {}",
            quoted(&error.to_string())
        )
    })?;
    if kind.schema_version != 2 {
        return Err(format!(
            "the manifest has schema version {}, not 2",
            kind.schema_version
        ));
    }
    if kind.manifests.is_some() {
        return Err("the reference names an index of several manifests, not a package".to_owned());
    }
    let manifest: OciImageManifest = serde_json::from_slice(manifest).map_err(|error| {
        format!(
            "the manifest cannot be read: {}",
            quoted(&error.to_string())
        )
    })?;

    let titled: Vec<_> = manifest
        .layers
        .iter()
        .filter(|layer| title(layer).is_some_and(is_archive))
        .collect();
    let layer = match (titled.as_slice(), manifest.layers.as_slice()) {
        ([layer], _) => layer,
        ([], [layer]) if is_gzipped_tar(&layer.media_type) => layer,
        _ => return Err(otherwise(&manifest.layers)),
    };
    let digest = Digest::parse(&layer.digest).ok_or_else(|| {
        format!(
            "the layer has the digest {}, which is not sha256",
            quoted(&layer.digest)
        )
    })?;
    let size = u64::try_from(layer.size).map_err(|_| "the layer has a negative size".to_owned())?;
    Ok(Layer { digest, size })
}

fn title(layer: &OciDescriptor) -> Option<&str> {
    layer
        .annotations
        .as_ref()?
        .get("org.opencontainers.image.title")
        .map(String::as_str)
}

fn is_archive(title: &str) -> bool {
    let title = title.to_ascii_lowercase();
    [".tgz", ".tar.gz"].iter().any(|end| title.ends_with(end))
}

fn is_gzipped_tar(media_type: &str) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    ["tar+gzip", "tar.gzip", "tar+gz", "tgz"]
        .iter()
        .any(|end| media_type.ends_with(end))
        || ["application/gzip", "application/x-gzip"].contains(&media_type.as_str())
}

fn otherwise(layers: &[OciDescriptor]) -> String {
    let describe = |layer: &OciDescriptor| match title(layer) {
        Some(title) => format!("{} titled {}", quoted(&layer.media_type), quoted(title)),
        None => quoted(&layer.media_type),
    };
    let listed: Vec<String> = layers.iter().take(LISTED_MAX).map(describe).collect();
    let more = if layers.len() > LISTED_MAX {
        ", …"
    } else {
        ""
    };
    format!(
        "the manifest must have one layer that is a gzipped tar, or one titled *.tgz or *.tar.gz; it has {}: {}{more}",
        layers.len(),
        listed.join(", "),
    )
}

#[cfg(test)]
mod tests {
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
        choose(manifest.to_string().as_bytes())
            .map(|layer| layer.digest.hex().chars().next().unwrap())
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

    #[test]
    fn descriptors_that_lie() {
        let mut bad = layer(OCI_LAYER, None, 'a');
        bad["digest"] = json!("sha256:../../../etc/passwd");
        assert!(chosen(&manifest(std::slice::from_ref(&bad))).is_err());
        bad = layer(OCI_LAYER, None, 'a');
        bad["size"] = json!(-1);
        assert!(chosen(&manifest(&[bad])).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(choose(&bytes).is_err());
        }
    }
}

//! Which layer of a manifest is the package. Pure.

use std::collections::BTreeMap;

use oci_client::manifest::{
    IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest,
};
use serde::Deserialize;

use super::{error::quoted, names::Digest};

/// `artifactType` of the manifests that we push, and look for in an index.
pub const ARTIFACT_TYPE: &str = "application/vnd.flyte.package.v1";
/// Most layers that a message lists.
const LISTED_MAX: usize = 5;

/// The layer that holds the package.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Layer {
    pub(super) digest: Digest,
    /// Bytes, by the manifest.
    pub(super) size: u64,
}

/// What a package says it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// `org.opencontainers.image.source`.
    pub(super) source: Option<String>,
    /// `org.opencontainers.image.revision`.
    pub(super) revision: Option<String>,
}

/// What a manifest leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The layer that holds the package.
    Layer(Layer, Origin),
    /// Another manifest, out of an index.
    Manifest(Digest, Origin),
}

impl Origin {
    fn of(annotations: Option<&BTreeMap<String, String>>) -> Self {
        let value = |key: &str| {
            let value = annotations?.get(key)?;
            (!value.is_empty()).then(|| quoted(value))
        };
        Self {
            source: value("org.opencontainers.image.source"),
            revision: value("org.opencontainers.image.revision"),
        }
    }

    /// What this one does not say is what `outer` says.
    pub(super) fn or(self, outer: Self) -> Self {
        Self {
            source: self.source.or(outer.source),
            revision: self.revision.or(outer.revision),
        }
    }
}

/// An index (OCI), or a manifest list (Docker).
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
    annotations: Option<BTreeMap<String, String>>,
}

/// A manifest in an index.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    digest: String,
    media_type: Option<String>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
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
/// `artifactType` nor the config is looked at. Of an index it is the one manifest that is usable.
pub(super) fn choose(manifest: &[u8]) -> Result<Choice, String> {
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
        return choose_of_index(manifest);
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
    let origin = Origin::of(manifest.annotations.as_ref());
    Ok(Choice::Layer(Layer { digest, size }, origin))
}

/// The only image manifest of an index, or the only one with our artifact type. Attestations, which
/// build tools add to whatever they push, are no images.
fn choose_of_index(index: &[u8]) -> Result<Choice, String> {
    let index: Index = serde_json::from_slice(index)
        .map_err(|error| format!("the index cannot be read: {}", quoted(&error.to_string())))?;
    let usable: Vec<_> = index
        .manifests
        .iter()
        .filter(|entry| entry.is_usable())
        .collect();
    let ours: Vec<_> = usable
        .iter()
        .filter(|entry| entry.artifact_type.as_deref() == Some(ARTIFACT_TYPE))
        .copied()
        .collect();
    let (([entry], _) | (_, [entry])) = (usable.as_slice(), ours.as_slice()) else {
        return Err(format!(
            "the reference names an index with {} manifests that could be the package, and must have one",
            usable.len()
        ));
    };
    let digest = Digest::parse(&entry.digest).ok_or_else(|| {
        format!(
            "the index names the digest {}, which is not sha256",
            quoted(&entry.digest)
        )
    })?;
    Ok(Choice::Manifest(
        digest,
        Origin::of(index.annotations.as_ref()),
    ))
}

impl Entry {
    fn is_usable(&self) -> bool {
        let image = self.media_type.as_deref().is_none_or(|media_type| {
            media_type == OCI_IMAGE_MEDIA_TYPE || media_type == IMAGE_MANIFEST_MEDIA_TYPE
        });
        let attests = |annotations: &BTreeMap<String, String>| {
            annotations.contains_key("vnd.docker.reference.type")
        };
        image && !self.annotations.as_ref().is_some_and(attests)
    }
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
mod tests;

//! The packages that are fetched, in a real registry with TLS and a password.

use anyhow::Result;
use flyte_registration_tests::peers::{Registry, RegistryOptions};
use futures::{TryStreamExt as _, stream};
use serde_json::{Value, json};

/// How many packages are fetched at once.
pub const PACKAGES: u32 = 1000;
/// Each of them, in bytes.
pub const SIZE: usize = 100_000;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const UPLOADS: usize = 16;

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packages {
    /// Each with bytes, and in a repository, of its own.
    Distinct,
    /// Tags of one repository, all with the same bytes.
    Shared,
}

impl Packages {
    /// What resources name, below the registry.
    pub fn uris(self) -> impl Iterator<Item = String> {
        (0..PACKAGES).map(move |number| match self {
            Self::Distinct => format!("team-{number}/etl:v1"),
            Self::Shared => format!("shared/etl:v{number}"),
        })
    }

    /// The layers that must come over the wire.
    pub fn layers(self) -> usize {
        match self {
            Self::Distinct => PACKAGES as usize,
            Self::Shared => 1,
        }
    }
}

/// A registry that holds all of them.
pub async fn filled() -> Result<Registry> {
    let registry = Registry::start("bench-registry", RegistryOptions::default()).await?;
    let shared = bytes();
    let distinct = Packages::Distinct.uris().map(|uri| (uri, bytes()));
    let shared = Packages::Shared.uris().map(|uri| (uri, shared.clone()));
    stream::iter(distinct.chain(shared).map(Ok::<_, anyhow::Error>))
        .try_for_each_concurrent(UPLOADS, |(uri, bytes)| upload(&registry, uri, bytes))
        .await?;
    Ok(registry)
}

/// Only fetching is measured, so that it need not be an archive; and nothing can be compressed.
fn bytes() -> Vec<u8> {
    (0..SIZE).map(|_| rand::random::<u8>()).collect()
}

async fn upload(registry: &Registry, uri: String, bytes: Vec<u8>) -> Result<()> {
    let (repository, tag) = uri.split_once(':').unwrap_or((&uri, "v1"));
    let config = registry.put_blob(repository, "{}").await?;
    let layer = registry.put_blob(repository, bytes).await?;
    let manifest = manifest(&config, &layer).to_string();
    registry
        .put_manifest(repository, tag, MANIFEST, manifest)
        .await?;
    Ok(())
}

fn manifest(config: &str, layer: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": SIZE,
        }],
    })
}

/// The digest of the layer that such a manifest names.
pub fn layer(manifest: &[u8]) -> Result<String> {
    use anyhow::Context as _;

    let manifest: Value = serde_json::from_slice(manifest)?;
    let digest = manifest["layers"][0]["digest"].as_str();
    Ok(digest.context("no layer")?.to_owned())
}

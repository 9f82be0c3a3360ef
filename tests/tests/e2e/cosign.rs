//! Packages that must be signed, with keys and signatures of the real cosign.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    System, World, block_on,
    package::sample_package,
    peers::{FlyteAdmin, Registry, SigningKey},
    system::ready,
};
use serde_json::{Value, json};

use crate::support::{SOON, calls, emulator, spec, system_with, version};

/// A system whose registry's packages must be signed with a key of its own, which stands in a file
/// of its own.
struct Signed<'a> {
    system: System<'a>,
    flyteadmin: &'a FlyteAdmin,
    registry: &'static Registry,
    key: SigningKey,
}

impl<'a> Signed<'a> {
    async fn start(name: &'a str, flyteadmin: &'a FlyteAdmin, at: &str) -> Result<Self> {
        let world = World::shared().await?;
        let key = SigningKey::generate(&format!("{name}-key")).await?;
        let demand = json!({"signatures": {"keyFiles": [key.public()]}});
        let hub = match at {
            "source" => json!({"sources": {"registry": demand}}),
            _ => json!({"tenants": {"warehouse": demand}}),
        };
        Ok(Self {
            system: system_with(name, world, flyteadmin, hub).await?,
            flyteadmin,
            registry: &world.registry,
            key,
        })
    }

    /// Pushes the sample package to a repository of this name, and gives repository and digest.
    async fn push(&self, name: &str) -> Result<(String, String)> {
        let repository = format!("{}/{name}", self.system.setup.name);
        let package = sample_package().await?;
        let digest = self.system.push(&package, &repository, "v1").await?;
        Ok((repository, digest))
    }

    async fn apply(&self, name: &str, repository: &str) -> Result<()> {
        let uri = format!("oci://{}/{repository}:v1", self.registry.host());
        let wanted = spec(&uri, &version());
        self.system.apply(0, name, &wanted).await?.success()?;
        Ok(())
    }

    /// Waits until a resource is refused, and gives the message. Nothing may have been written by then.
    async fn refused(&self, name: &str) -> Result<String> {
        let resource = self
            .system
            .reason(0, name, "SignatureInvalid", SOON)
            .await?;
        let stalled = resource["status"]["conditions"]
            .as_array()
            .context("no conditions")?
            .iter()
            .find(|condition| condition["type"] == "Stalled")
            .context("no Stalled")?;
        assert_eq!(stalled["status"], "True");
        assert_eq!(calls(self.flyteadmin, None).await?, 0);
        let message = ready(&resource)["message"].as_str();
        Ok(message.context("no message")?.to_owned())
    }

    /// Asks to look again at a resource.
    async fn request(&self, name: &str) -> Result<()> {
        let request = format!("flyte.backend/reconcile-requested-at={}", version());
        let args = ["annotate", "--overwrite", "flyreg", name, &request];
        self.system.kubectl(0, &args).await?.success().map(drop)
    }
}

#[test]
fn cosign_signatures_decide_and_may_come_later() -> Result<()> {
    block_on(async {
        let flyteadmin = emulator("cosign").await?;
        let signed = Signed::start("cosign", &flyteadmin, "source").await?;
        let (repository, digest) = signed.push("etl").await?;
        signed.apply("etl", &repository).await?;
        let message = signed.refused("etl").await?;
        let hint = format!("{}/{repository}@{digest}", signed.registry.host());
        assert!(message.ends_with(&hint), "{message}");
        let blobs = format!("/v2/{repository}/blobs/");
        assert_eq!(signed.registry.count("GET", &blobs).await?, 0);

        let other = SigningKey::generate("cosign-other").await?;
        other.sign(signed.registry, &repository, &digest).await?;
        signed.apply("foreign", &repository).await?;
        let message = signed.refused("foreign").await?;
        assert!(message.contains("none of the 1 signatures"), "{message}");

        // Beside the other's signature.
        signed
            .key
            .sign(signed.registry, &repository, &digest)
            .await?;
        signed.request("etl").await?;
        signed.system.reason(0, "etl", "Registered", SOON).await?;
        ensure!(calls(&flyteadmin, None).await? > 0);
        Ok(())
    })
}

#[test]
fn cosign_signature_copied_from_another_package_is_none() -> Result<()> {
    block_on(async {
        let flyteadmin = emulator("cosign-copied").await?;
        let signed = Signed::start("cosign-copied", &flyteadmin, "tenant").await?;
        let (repository, digest) = signed.push("etl").await?;
        let another = another_manifest(signed.registry, &repository, &digest).await?;
        signed
            .key
            .sign(signed.registry, &repository, &another)
            .await?;
        let list = get_manifest(signed.registry, &repository, &tag(&another)).await?;
        let registry = signed.registry;
        registry
            .put_manifest(&repository, &tag(&digest), MANIFEST, list)
            .await?;
        signed.apply("etl", &repository).await?;
        let message = signed.refused("etl").await?;
        assert!(message.ends_with(&format!("is of {another}")), "{message}");
        Ok(())
    })
}

#[test]
fn cosign_key_that_is_rotated_in_its_file() -> Result<()> {
    block_on(async {
        let flyteadmin = emulator("cosign-rotated").await?;
        let signed = Signed::start("cosign-rotated", &flyteadmin, "tenant").await?;
        let (repository, digest) = signed.push("etl").await?;
        let next = SigningKey::generate("cosign-next").await?;
        next.sign(signed.registry, &repository, &digest).await?;
        signed.apply("etl", &repository).await?;
        signed.refused("etl").await?;

        fs::copy(next.public(), signed.key.public())?;
        signed.request("etl").await?;
        signed.system.reason(0, "etl", "Registered", SOON).await?;

        // The hub goes by the new key alone.
        let (repository, digest) = signed.push("later").await?;
        signed
            .key
            .sign(signed.registry, &repository, &digest)
            .await?;
        let before = calls(&flyteadmin, None).await?;
        signed.apply("later", &repository).await?;
        let later = signed.system.reason(0, "later", "SignatureInvalid", SOON);
        later.await?;
        assert_eq!(calls(&flyteadmin, None).await?, before);
        Ok(())
    })
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Where cosign keeps the signatures of a manifest.
fn tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

async fn get_manifest(registry: &Registry, repository: &str, reference: &str) -> Result<Vec<u8>> {
    let url = registry.url(&format!("/v2/{repository}/manifests/{reference}"));
    let request = registry.client().get(url).header("accept", MANIFEST);
    let answer = registry.authorized(request).send().await?;
    Ok(answer.error_for_status()?.bytes().await?.to_vec())
}

/// Puts another package into a repository, with the same content, and gives its digest.
async fn another_manifest(registry: &Registry, repository: &str, digest: &str) -> Result<String> {
    let manifest = get_manifest(registry, repository, digest).await?;
    let mut manifest: Value = serde_json::from_slice(&manifest)?;
    manifest["annotations"] = json!({"org.opencontainers.image.version": "another"});
    registry
        .put_manifest(repository, "another", MANIFEST, manifest.to_string())
        .await
}

//! What the peers themselves must be able to do.

mod sources;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    World, block_on, command,
    package::{package_source, sample_package},
    peers::{ApiServer, Registry, RegistryOptions},
    wait_until,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);
const LAYER: &str = "a layer";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[test]
fn two_clusters_of_kubernetes_1_34_have_namespaces_of_their_own() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        for cluster in &world.clusters {
            let version: Value = serde_json::from_str(
                &cluster
                    .kubectl(&["version", "--output=json"])
                    .await?
                    .success()?,
            )?;
            assert_eq!(version["serverVersion"]["gitVersion"], "v1.34.4");
            assert_eq!(version["serverVersion"]["minor"], "34");
            assert_eq!(version["clientVersion"]["gitVersion"], "v1.34.4");
        }
        let [a, b] = &world.clusters;
        a.kubectl(&["create", "namespace", "only-in-a"])
            .await?
            .success()?;
        a.kubectl(&["get", "namespace", "only-in-a"])
            .await?
            .success()?;
        let output = b.kubectl(&["get", "namespace", "only-in-a"]).await?;
        ensure!(
            output.code == Some(1) && output.stderr.contains("NotFound"),
            "{output:?}"
        );
        Ok(())
    })
}

#[test]
fn a_service_account_may_do_what_its_role_says_and_no_more() -> Result<()> {
    const ROLE: &str = r#"
{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rbac"}}
---
{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": "rbac"}}
---
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader", "namespace": "rbac"},
 "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]}
---
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader", "namespace": "rbac"},
 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
 "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "rbac"}]}
"#;
    block_on(async {
        let cluster = &World::shared().await?.clusters[0];
        cluster.apply(ROLE).await?.success()?;
        let kubeconfig = cluster.kubeconfig_for("rbac", "reader").await?;
        // The authorizer learns of a new binding through a watch.
        wait_until(SOON, "the reader lists config maps", || async {
            command::kubectl(&kubeconfig, &["get", "configmaps", "--namespace=rbac"])
                .await?
                .success()
        })
        .await?;
        let output = command::kubectl(&kubeconfig, &["get", "secrets", "--namespace=rbac"]).await?;
        ensure!(
            output.stderr.contains("system:serviceaccount:rbac:reader"),
            "{output:?}"
        );
        ensure!(output.stderr.contains("Forbidden"), "{output:?}");
        Ok(())
    })
}

#[test]
fn an_api_server_keeps_its_address_and_objects_over_a_restart() -> Result<()> {
    block_on(async {
        World::shared().await?;
        let cluster = ApiServer::start("restarted").await?;
        cluster
            .kubectl(&["create", "namespace", "kept"])
            .await?
            .success()?;
        cluster.process().kill()?;
        ensure!(cluster.kubectl(&["get", "namespace", "kept"]).await?.code == Some(1));
        cluster.start_again().await?;
        cluster
            .kubectl(&["get", "namespace", "kept"])
            .await?
            .success()?;
        Ok(())
    })
}

#[test]
fn the_registry_wants_its_password_and_counts_requests() -> Result<()> {
    block_on(async {
        let registry = &World::shared().await?.registry;
        push_and_pull(registry, "peers/counted").await?;
        let answer = registry
            .client()
            .get(registry.url("/v2/peers/counted/manifests/v1"))
            .send()
            .await?;
        assert_eq!(answer.status(), 401);
        let mut requests = registry.requests().await?;
        requests.retain(|request| request.path.contains("peers/counted"));
        ensure!(
            requests.iter().any(|request| request.status == 401),
            "{requests:?}"
        );
        Ok(())
    })
}

#[test]
fn a_registry_without_tls_and_password_serves_anyone() -> Result<()> {
    block_on(async {
        World::shared().await?;
        let registry = Registry::start(
            "plain",
            RegistryOptions {
                tls: false,
                user: None,
                tokens: false,
            },
        )
        .await?;
        push_and_pull(&registry, "peers/plain").await?;
        ensure!(registry.url("/v2/").starts_with("http://"));
        Ok(())
    })
}

/// Pushes an artifact of one blob as `v1`, and gives its manifest's digest.
async fn push(registry: &Registry, repository: &str) -> Result<String> {
    let config = registry.put_blob(repository, "{}").await?;
    let layer = registry.put_blob(repository, LAYER).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/octet-stream", "digest": layer, "size": LAYER.len()}],
    });
    registry
        .put_manifest(repository, "v1", MANIFEST, manifest.to_string())
        .await
}

/// Pushes an artifact of one blob, pulls it by tag, and finds exactly these requests counted.
async fn push_and_pull(registry: &Registry, repository: &str) -> Result<()> {
    push(registry, repository).await?;
    let get = |path: String| async move {
        let request = registry
            .client()
            .get(registry.url(&path))
            .header("accept", MANIFEST);
        anyhow::Ok(
            registry
                .authorized(request)
                .send()
                .await?
                .error_for_status()?,
        )
    };
    let pulled: Value = get(format!("/v2/{repository}/manifests/v1"))
        .await?
        .json()
        .await?;
    let layer = pulled["layers"][0]["digest"].as_str().context("a layer")?;
    let blob = format!("/v2/{repository}/blobs/{layer}");
    assert_eq!(get(blob.clone()).await?.text().await?, LAYER);
    let missing = registry.authorized(
        registry
            .client()
            .get(registry.url(&format!("/v2/{repository}/manifests/v2"))),
    );
    assert_eq!(missing.send().await?.status(), 404);
    let manifests = format!("/v2/{repository}/manifests/");
    for (method, part) in [("GET", &manifests), ("GET", &blob), ("PUT", &manifests)] {
        let count = registry.count(method, part).await?;
        ensure!(count == 1, "{count} times {method} {part}");
    }
    Ok(())
}

#[test]
fn pyflyte_packages_the_sample_and_other_sources() -> Result<()> {
    block_on(async {
        World::shared().await?;
        let sample = names(&sample_package().await?).await?;
        let count = |suffix: &str| sample.iter().filter(|name| name.ends_with(suffix)).count();
        assert_eq!(
            (count("_1.pb"), count("_2.pb"), count("_3.pb"), sample.len()),
            (5, 2, 3, 10),
            "{sample:?}"
        );

        let source = "from flytekit import task\n\n@task\ndef one() -> int:\n    return 1\n";
        let first = package_source("single", source).await?;
        assert_eq!(names(&first).await?, ["0_single.one_1.pb"]);
        assert_eq!(package_source("single", source).await?, first);
        assert_ne!(
            package_source("single", &source.replace("one", "two")).await?,
            first
        );
        ensure!(package_source("nothing", "x = 1\n").await.is_err());
        Ok(())
    })
}

async fn names(package: &Path) -> Result<Vec<String>> {
    let args = ["-tzf".as_ref(), package.as_os_str()];
    let list = command::run(Path::new("tar"), args, &[], "")
        .await?
        .success()?;
    Ok(list.lines().map(ToOwned::to_owned).collect())
}

//! An agent in its cluster, with what the charts ship.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::sync::Mutex;

use super::{AUDIENCE, CLUSTERS, Setup, merge};
use crate::{
    command,
    paths::{free_port, run_dir, tests_dir},
    peers::{self, ApiServer},
    process::Process,
};

/// How long its token is good: nothing writes new ones, and a demo may be looked at for hours.
const TOKENS_LAST: &str = "24h";

/// Installs what the charts ship into the cluster, and starts the agent under it. Returns its process, and where its
/// health and metrics are.
pub(super) async fn start(
    setup: &Setup<'_>,
    index: usize,
    hub_dir: &Path,
    hub_port: u16,
) -> Result<(Process, String)> {
    let cluster = &setup.clusters[index];
    let namespace = setup.system_namespace();
    install_crds(cluster).await?;
    for namespace in [&namespace, &setup.tenant_namespace()] {
        let manifest =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        cluster.apply(&manifest.to_string()).await?.success()?;
    }
    let all = setup.agent["namespaces"] == json!([]);
    // The second one is for tests that change which namespaces are watched.
    let watched = (!all).then(|| format!("{},{namespace}", setup.tenant_namespace()));
    let account = install_role(cluster, &namespace, watched.as_deref()).await?;
    ensure!(
        account == setup.service_account(),
        "the chart calls it {account}"
    );
    let kubeconfig = cluster.kubeconfig_for(&namespace, &account).await?;

    let dir = run_dir(&format!("{}-agent-{}", setup.name, CLUSTERS[index]))?;
    let token_file = dir.join("token");
    let token = cluster
        .token(&namespace, &account, AUDIENCE, TOKENS_LAST)
        .await?;
    fs::write(&token_file, token)?;
    let web = format!("127.0.0.1:{}", free_port()?);
    let mut config = json!({
        "hub": {
            "endpoint": format!("https://127.0.0.1:{hub_port}"),
            "caFile": hub_dir.join("ca.pem"),
            "tokenFile": token_file,
            "unreachableAfter": "2s",
        },
        "kubeconfig": kubeconfig,
        "namespaces": [setup.tenant_namespace()],
        // The same identity after a kill takes its own lease up at once.
        "lease": {"namespace": namespace, "name": account, "identity": CLUSTERS[index]},
        "web": {"listen": web},
        "log": {"level": "debug", "format": "text"},
    });
    merge(&mut config, &setup.agent);
    let agent = peers::agent(&dir, &config.to_string(), &[])?;
    Ok((agent, format!("http://{web}")))
}

/// Installs the definition, and waits until it is served.
pub async fn install_crds(cluster: &ApiServer) -> Result<()> {
    // `kubectl apply` fails when two of them create the same at the same time.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _turn = ONE_AT_A_TIME.lock().await;
    let crd = fs::read_to_string(tests_dir().join("../config/crd/flyteregistrations.yaml"))?;
    cluster.apply(&crd).await?.success()?;
    let wait = [
        "wait",
        "--for=condition=Established",
        "crd/flyteregistrations.flyte.backend",
        "--timeout=60s",
    ];
    cluster.kubectl(&wait).await?.success()?;
    Ok(())
}

/// Installs the chart's service account, roles and bindings as helm renders them, without the
/// Deployment: no kubelet would run it. The roles are for these namespaces, or for all.
/// Returns the name of the service account.
async fn install_role(
    cluster: &ApiServer,
    namespace: &str,
    watched: Option<&str>,
) -> Result<String> {
    let chart = tests_dir().join("../charts/agent");
    let chart = chart.to_str().context("path is not UTF-8")?;
    let release = format!("agent-{namespace}");
    let mut args = vec!["template", &release, chart, "--namespace", namespace];
    args.extend(["--set", "deployment.enabled=false"]);
    let namespaces = watched.map(|watched| format!("namespaces={{{watched}}}"));
    args.extend(
        namespaces
            .iter()
            .flat_map(|namespaces| ["--set", namespaces]),
    );
    let rendered = command::helm(cluster.kubeconfig(), &args)
        .await?
        .success()?;
    let wanted = [
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    let kind_of = |document: &str| {
        document
            .lines()
            .find_map(|line| line.strip_prefix("kind: ").map(str::to_owned))
    };
    let documents: Vec<&str> = rendered
        .split("\n---")
        .filter(|document| kind_of(document).is_some_and(|kind| wanted.contains(&kind.as_str())))
        .collect();
    let manifest = documents.join("\n---\n");
    cluster.apply(&manifest).await?.success()?;
    let account = documents
        .iter()
        .find(|document| kind_of(document).is_some_and(|kind| kind == "ServiceAccount"))
        .and_then(|document| {
            document
                .lines()
                .find_map(|line| line.strip_prefix("  name: "))
        })
        .context("the chart has no service account")?;
    Ok(account.trim().trim_matches('"').to_owned())
}

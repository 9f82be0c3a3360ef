//! The demo: two clusters, one hub, a real package, and what a platform engineer wants to see of it.

#![allow(clippy::print_stdout)] // it speaks to a person

use std::{
    process,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_proto::flyteidl::{
    admin::{NamedEntityIdentifier, ResourceListRequest, Workflow},
    service::admin_service_client::AdminServiceClient,
};
use serde_json::{Value, json};

use crate::{
    Setup, System, World,
    install::install,
    package::sample_package,
    paths::peer_binary,
    peers::FlyteAdmin,
    system::{CLUSTERS, ready},
};

mod elsewhere;

use elsewhere::{Elsewhere, IDENTITY};

/// Exists in every FlyteAdmin that was set up as its documentation says.
const PROJECT: &str = "flytesnacks";
const DOMAIN: &str = "development";
const REPOSITORY: &str = "acme/etl";
const SOON: Duration = Duration::from_mins(1);

/// Runs the demo: until interrupted, or with `once` until all of it was seen to be so.
pub async fn demo(once: bool) -> Result<()> {
    install().await?;
    let began = Instant::now();
    step(
        "starting two Kubernetes API servers, OCI registries, ECR (moto), Artifactory (nginx), FlyteAdmin",
    );
    let world = World::shared().await?;
    let flyteadmin = FlyteAdmin::start("flyteadmin", &[PROJECT]).await?;
    let elsewhere = Elsewhere::start().await?;
    let sources = elsewhere.sources()?;
    let mut allowed = vec!["registry"];
    allowed.extend(
        sources
            .as_object()
            .into_iter()
            .flat_map(|all| all.keys().map(String::as_str)),
    );
    step("starting the hub, and an agent in each cluster under its shipped role");
    let setup = Setup {
        name: "demo",
        clusters: &world.clusters,
        registry: &world.registry,
        flyteadmin: &flyteadmin,
        projects: &[PROJECT, "not-there-yet"],
        hub: json!({"sources": sources, "tenants": {"warehouse": {"sources": allowed}}}),
        agent: Value::Null,
    };
    let system = System::start_with(setup, &IDENTITY).await?;

    // A real FlyteAdmin keeps what an earlier demo registered, and versions are for ever.
    let version = format!(
        "demo-{}",
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()
    );
    step(
        "packaging tests/workflows/sample with pyflyte, putting it into the registry, ECR and Artifactory",
    );
    let package = sample_package().await?;
    let digest = system.push(&package, REPOSITORY, &version).await?;
    println!(
        "   oci://{}/{REPOSITORY}:{version}@{digest}",
        world.registry.host()
    );
    let others = elsewhere.put(&package, REPOSITORY, &version).await?;
    for other in &others {
        println!("   {}, at {}", other.uri, other.at);
    }

    step(
        "kubectl apply of a FlyteRegistration in each cluster, of one from each other place, and of two that cannot be",
    );
    let spec = |project: &str| {
        json!({
            "workflowProject": project,
            "workflowDomain": DOMAIN,
            "workflowVersion": version,
            "workflowPackageUri": REPOSITORY,
        })
    };
    for cluster in 0..CLUSTERS.len() {
        system
            .apply(cluster, "etl", &spec(PROJECT))
            .await?
            .success()?;
    }
    for other in &others {
        let mut spec = spec(PROJECT);
        spec["workflowVersion"] = json!(other.version);
        spec["workflowPackageUri"] = json!(other.uri);
        system.apply(0, other.name, &spec).await?.success()?;
    }
    system
        .apply(0, "unknown-project", &spec("not-there-yet"))
        .await?
        .success()?;
    system
        .apply(1, "somebody-elses", &spec("finance"))
        .await?
        .success()?;

    for cluster in 0..CLUSTERS.len() {
        system.reason(cluster, "etl", "Registered", SOON).await?;
    }
    for other in &others {
        system.reason(0, other.name, "Registered", SOON).await?;
    }
    let unknown = system
        .reason(0, "unknown-project", "ProjectNotFound", SOON)
        .await?;
    let denied = system.reason(1, "somebody-elses", "Denied", SOON).await?;
    show(&system, &version, [&unknown, &denied]).await?;
    println!(
        "\nAll of it is so, {:.0} s after the first peer was started.",
        began.elapsed().as_secs_f64()
    );
    if once {
        return Ok(());
    }
    invite(&system, &version);
    tokio::signal::ctrl_c().await?;
    println!("\nstopping");
    Ok(())
}

/// Prints what there is to see, and checks it.
async fn show(system: &System<'_>, version: &str, failed: [&Value; 2]) -> Result<()> {
    for (index, name) in CLUSTERS.iter().enumerate() {
        println!("\n== kubectl get flyteregistrations -A, in {name}");
        let table = system.setup.clusters[index]
            .kubectl(&["get", "flyteregistrations", "-A"])
            .await?
            .success()?;
        print!("{table}");
        ensure!(
            table.contains("Registered"),
            "{name} shows nothing registered"
        );
    }
    println!("\n== why the other two are not ready");
    for resource in failed {
        let condition = ready(resource);
        let name = resource["metadata"]["name"].as_str().context("a name")?;
        println!(
            "{name}: {}: {}",
            text(&condition["reason"]),
            text(&condition["message"])
        );
    }
    println!("\n== the workflows of version {version}, as FlyteAdmin lists them");
    let workflows = workflows(system.setup.flyteadmin.endpoint(), version).await?;
    for workflow in &workflows {
        let id = workflow.id.as_ref().context("a workflow without id")?;
        println!("{}/{}/{} {}", id.project, id.domain, id.name, id.version);
    }
    ensure!(
        workflows.len() == 2,
        "{} workflows are registered, not 2",
        workflows.len()
    );
    Ok(())
}

async fn workflows(endpoint: &str, version: &str) -> Result<Vec<Workflow>> {
    let mut admin = AdminServiceClient::connect(format!("http://{endpoint}")).await?;
    let request = ResourceListRequest {
        id: Some(NamedEntityIdentifier {
            project: PROJECT.to_owned(),
            domain: DOMAIN.to_owned(),
            ..NamedEntityIdentifier::default()
        }),
        limit: 100,
        filters: format!("eq(version,{version})"),
        ..ResourceListRequest::default()
    };
    Ok(admin.list_workflows(request).await?.into_inner().workflows)
}

fn invite(system: &System<'_>, version: &str) {
    println!("\n== where things are");
    println!(
        "hub          {} (/metrics, /healthz), log {}",
        system.hub_web(),
        system.hub.log_path().display()
    );
    for (index, name) in CLUSTERS.iter().enumerate() {
        let (cluster, log) = (
            &system.setup.clusters[index],
            system.agents[index].log_path(),
        );
        println!(
            "{name}    {}, agent {}, log {}",
            cluster.url(),
            system.agent_web(index),
            log.display()
        );
    }
    println!("registry     https://{}", system.setup.registry.host());
    println!("FlyteAdmin   {}", system.setup.flyteadmin.endpoint());
    let namespace = system.setup.tenant_namespace();
    println!("\n== try");
    println!(
        "alias k='{} --kubeconfig {} -n {namespace}'",
        peer_binary("kubectl").display(),
        system.setup.clusters[0].kubeconfig().display()
    );
    println!("k describe flyreg etl");
    println!("k get events");
    println!(
        "k patch flyreg etl --type merge -p '{{\"spec\":{{\"workflowVersion\":\"{version}b\",\"workflowPackageUri\":\"oci://{}/{REPOSITORY}:{version}\"}}}}'",
        system.setup.registry.host()
    );
    println!("k annotate flyreg etl flyte.backend/reconcile-requested-at=\"$(date)\" --overwrite");
    println!("k get flyreg -w");
    println!(
        "\nInterrupt (Ctrl-C) stops everything. This is process {}.",
        process::id()
    );
}

fn step(what: &str) {
    println!("-> {what}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

//! Many resources, few requests; restarts; forged statuses.

use anyhow::{Context as _, Result};
use flyte_registration_tests::{
    System, World, block_on,
    peers::FlyteAdmin,
    system::{CLUSTERS, ready},
};
use serde_json::{Value, json};

use crate::support::{
    PROJECT, SAMPLE_ENTITIES, SOON, apply_all, calls, emulator, hub_metric, push_sample,
    repeated_creates, resources, spec, system, version,
};

const EACH: usize = 25;

#[test]
fn many_versions_are_one_download_and_survive_all_restarts_without_a_request() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("fleet").await?;
        let system = system("fleet", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        apply_all(&system, &uri, EACH).await?;
        for cluster in 0..CLUSTERS.len() {
            system.all(cluster, EACH, "Registered", SOON).await?;
        }
        assert_eq!(
            world.registry.count("GET", "/v2/fleet/etl/blobs/").await?,
            1,
            "{:?}",
            requests(world).await?
        );
        let created = (CLUSTERS.len() * EACH) as u64 * SAMPLE_ENTITIES;
        assert_eq!(creates(&flyteadmin).await?, created);
        assert_eq!(repeated_creates(&flyteadmin).await?, [0; 0]);

        for rpc in ["GetProject", "GetDomains"] {
            assert_eq!(calls(&flyteadmin, Some(rpc)).await?, 1, "{rpc}");
        }
        // What a version has is asked for once for each version, by kind.
        for rpc in ["ListTasks", "ListWorkflows", "ListLaunchPlans"] {
            assert_eq!(
                calls(&flyteadmin, Some(rpc)).await?,
                (CLUSTERS.len() * EACH) as u64,
                "{rpc}"
            );
        }

        let (requests_before, calls_before) = (
            requests(world).await?.len(),
            calls(&flyteadmin, None).await?,
        );
        let written = versions(&system).await?;
        system.restart_hub().await?;
        settled(&system).await?;
        for cluster in 0..CLUSTERS.len() {
            system.restart_agent(cluster)?;
        }
        system.ready().await?;
        settled(&system).await?;
        for cluster in 0..CLUSTERS.len() {
            system.agents[cluster].kill()?;
        }
        system.restart_hub().await?;
        for agent in &system.agents {
            agent.start_again()?;
        }
        system.ready().await?;
        settled(&system).await?;
        assert_eq!(
            calls(&flyteadmin, None).await?,
            calls_before,
            "FlyteAdmin was called"
        );
        assert_eq!(
            requests(world).await?.len(),
            requests_before,
            "the registry was asked"
        );
        assert_eq!(versions(&system).await?, written, "statuses were written");
        Ok(())
    })
}

async fn creates(flyteadmin: &FlyteAdmin) -> Result<u64> {
    let mut sum = 0;
    for rpc in ["CreateTask", "CreateWorkflow", "CreateLaunchPlan"] {
        sum += calls(flyteadmin, Some(rpc)).await?;
    }
    Ok(sum)
}

async fn requests(world: &World) -> Result<Vec<String>> {
    let of_test =
        |request: &flyte_registration_tests::peers::Request| request.path.starts_with("/v2/fleet/");
    let requests = world.registry.requests().await?;
    let texts = requests
        .into_iter()
        .filter(of_test)
        .filter(|request| request.method == "GET" || request.method == "HEAD")
        .map(|request| format!("{} {} {}", request.method, request.path, request.status));
    Ok(texts.collect())
}

/// The resource versions of all resources, which change with each write.
async fn versions(system: &System<'_>) -> Result<Vec<Value>> {
    let mut versions = Vec::new();
    for cluster in 0..CLUSTERS.len() {
        let resources = system.list(cluster).await?;
        versions.extend(
            resources
                .into_iter()
                .map(|resource| resource["metadata"]["resourceVersion"].clone()),
        );
    }
    Ok(versions)
}

/// The hub knows all resources of both clusters again, and has nothing to do.
async fn settled(system: &System<'_>) -> Result<()> {
    for cluster in CLUSTERS {
        hub_metric(system, &resources(cluster, "Registered"), EACH as u64).await?;
    }
    hub_metric(system, "jobs_working", 0).await?;
    hub_metric(system, "jobs_waiting", 0).await
}

#[test]
fn a_forged_status_is_not_believed() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("forged").await?;
        let system = system("forged", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        system
            .apply(0, "real", &spec(&uri, &version()))
            .await?
            .success()?;
        let real = system.reason(0, "real", "Registered", SOON).await?;
        let mut wanted = spec(&uri, &version());
        wanted["workflowProject"] = json!("later");
        system.apply(0, "forged", &wanted).await?.success()?;
        let honest = system.reason(0, "forged", "ProjectNotFound", SOON).await?;

        // With the hub away, so that it cannot have seen what was there before.
        system.hub.kill()?;
        let mut status = real["status"].clone();
        status["observedGeneration"] = honest["metadata"]["generation"].clone();
        let patch = json!({"status": status}).to_string();
        let args = [
            "patch",
            "flyreg",
            "forged",
            "--subresource=status",
            "--type=merge",
            "--patch",
            &patch,
        ];
        system.kubectl(0, &args).await?.success()?;
        let forged = system.get(0, "forged").await?;
        assert_eq!(ready(&forged)["status"], "True");
        system.hub.start_again()?;
        let told = system.reason(0, "forged", "ProjectNotFound", SOON).await?;
        assert_eq!(told["status"]["receipt"], Value::Null);
        Ok(())
    })
}

#[test]
fn the_same_registration_in_two_clusters_is_done_once() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("same").await?;
        let system = system("same", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        let spec = spec(&uri, &version());
        let (one, other) =
            tokio::join!(system.apply(0, "etl", &spec), system.apply(1, "etl", &spec));
        one?.success()?;
        other?.success()?;
        for cluster in 0..CLUSTERS.len() {
            let resource = system.reason(cluster, "etl", "Registered", SOON).await?;
            let counts = &resource["status"]["counts"];
            let done = |key: &str| counts[key].as_u64().context("a count");
            assert_eq!(done("created")? + done("unchanged")?, SAMPLE_ENTITIES);
        }
        assert_eq!(creates(&flyteadmin).await?, SAMPLE_ENTITIES);
        assert_eq!(calls(&flyteadmin, Some("ListTasks")).await?, 1);
        Ok(())
    })
}

#[test]
fn manifests_of_the_single_cluster_operator_are_served() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("dropin").await?;
        let system = system("dropin", world, &flyteadmin).await?;
        push_sample(&system).await?;
        // The tag is the version, and `workflowName` names one of the package's workflows.
        let spec = json!({
            "workflowName": "prepare",
            "workflowVersion": "v1",
            "workflowProject": PROJECT,
            "workflowDomain": "development",
            "workflowPackageUri": "dropin/etl",
        });
        system.apply(0, "etl", &spec).await?.success()?;
        let resource = system.reason(0, "etl", "Registered", SOON).await?;
        let counts = &resource["status"]["counts"];
        assert_eq!(
            (&counts["workflows"], &counts["tasks"]),
            (&json!(1), &json!(3)),
            "{counts}"
        );
        Ok(())
    })
}

//! What the tests of the whole product share.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    Setup, System, World, package::sample_package, peers::FlyteAdmin, system::manifest, wait_until,
};
use reqwest::Method;
use serde_json::{Value, json};

/// Long, for busy machines: nothing waits for it to pass.
pub const SOON: Duration = Duration::from_mins(1);
pub const PROJECT: &str = "flytesnacks";
/// Tasks, workflows and launch plans of the sample package.
pub const SAMPLE_ENTITIES: u64 = 10;

/// A version that no other test has, nor an earlier run against the same FlyteAdmin.
pub fn version() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", now.as_secs(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A system of this name on the shared clusters and registry.
pub async fn system<'a>(
    name: &'a str,
    world: &'static World,
    flyteadmin: &'a FlyteAdmin,
) -> Result<System<'a>> {
    system_with(name, world, flyteadmin, Value::Null).await
}

/// The same, with `hub` over the hub's configuration.
pub async fn system_with<'a>(
    name: &'a str,
    world: &'static World,
    flyteadmin: &'a FlyteAdmin,
    hub: Value,
) -> Result<System<'a>> {
    System::start(Setup {
        name,
        clusters: &world.clusters,
        registry: &world.registry,
        flyteadmin,
        projects: &[PROJECT, "later"],
        hub,
        agent: Value::Null,
    })
    .await
}

/// An emulator of its own, for tests that count its requests or break it.
pub async fn emulator(name: &str) -> Result<FlyteAdmin> {
    FlyteAdmin::emulator(&format!("{name}-flyteadmin"), &[PROJECT], &[]).await
}

/// Pushes the sample package to a repository of the test's own, and returns its absolute URI.
pub async fn push_sample(system: &System<'_>) -> Result<String> {
    let repository = format!("{}/etl", system.setup.name);
    system
        .push(&sample_package().await?, &repository, "v1")
        .await?;
    Ok(format!(
        "oci://{}/{repository}:v1",
        system.setup.registry.host()
    ))
}

pub fn spec(uri: &str, version: &str) -> Value {
    json!({
        "workflowProject": PROJECT,
        "workflowDomain": "development",
        "workflowVersion": version,
        "workflowPackageUri": uri,
    })
}

/// Applies `each` resources in each cluster, all with versions of their own.
pub async fn apply_all(system: &System<'_>, uri: &str, each: usize) -> Result<()> {
    for (cluster, apiserver) in system.setup.clusters.iter().enumerate() {
        let items: Vec<Value> = (0..each)
            .map(|index| {
                let spec = spec(uri, &format!("v{cluster}.{index}"));
                manifest(
                    &system.setup.tenant_namespace(),
                    &format!("etl-{index}"),
                    &spec,
                )
            })
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        apiserver.apply(&list.to_string()).await?.success()?;
    }
    Ok(())
}

/// How often the emulator was called by `rpc`, or at all.
pub async fn calls(flyteadmin: &FlyteAdmin, rpc: Option<&str>) -> Result<u64> {
    let counters = flyteadmin.counters().await?;
    let count = match rpc {
        // A method that was never called has no count.
        Some(rpc) => counters["byRpc"].get(rpc).map_or(Some(0), Value::as_u64),
        None => counters["total"].as_u64(),
    };
    count.with_context(|| format!("no count in {counters}"))
}

/// How often each entity was sent to be created, of those that were sent more than once.
pub async fn repeated_creates(flyteadmin: &FlyteAdmin) -> Result<Vec<u64>> {
    let counters = flyteadmin.counters().await?;
    let by_entity = counters["byEntity"].as_array().context("no counts")?;
    Ok(by_entity
        .iter()
        .filter(|counted| {
            counted["rpc"]
                .as_str()
                .is_some_and(|rpc| rpc.starts_with("Create"))
        })
        .filter_map(|counted| counted["count"].as_u64())
        .filter(|count| *count > 1)
        .collect())
}

pub async fn faults(flyteadmin: &FlyteAdmin, rules: &Value) -> Result<()> {
    flyteadmin
        .control(Method::POST, "faults", Some(rules))
        .await
        .map(drop)
}

pub async fn no_faults(flyteadmin: &FlyteAdmin) -> Result<()> {
    flyteadmin
        .control(Method::DELETE, "faults", None)
        .await
        .map(drop)
}

pub async fn latency(flyteadmin: &FlyteAdmin, ms: u64) -> Result<()> {
    flyteadmin
        .control(Method::POST, "latency", Some(&json!({"ms": ms})))
        .await
        .map(drop)
}

/// Waits until a metric of the hub has this value. `name` is the whole of it with its labels, in the
/// order of the text.
pub async fn hub_metric(system: &System<'_>, name: &str, value: u64) -> Result<()> {
    let line = format!("flyte_registration_hub_{name} {value}");
    let what = format!("the hub's metrics say {line}");
    wait_until(SOON, &what, || async {
        let metrics = system.hub_metrics().await?;
        ensure!(metrics.lines().any(|other| other == line), "{metrics}");
        Ok(())
    })
    .await
}

/// How many resources the hub knows of a cluster with this reason.
pub fn resources(cluster: &str, reason: &str) -> String {
    format!("resources{{cluster=\"{cluster}\",reason=\"{reason}\"}}")
}

//! Figures of the product on real peers: latency, its share in FlyteAdmin, memory, a thousand resources.
//!
//! Nothing here passes or fails: `docs/performance.md` records what it printed.

#![allow(clippy::print_stdout)] // it speaks to a person

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    Setup, System, World,
    install::install,
    package::sample_package,
    peers::{ApiServer, FlyteAdmin},
    system::{CLUSTERS, manifest, shows},
};

const PROJECT: &str = "flytesnacks";
const ROUNDS: usize = 20;
const MANY: usize = 1000;
const LANES: usize = 8;
const MIB: u64 = 1024 * 1024;
const LONG: Duration = Duration::from_mins(10);

/// Measures, and prints.
pub async fn measure() -> Result<()> {
    install().await?;
    let world = World::shared().await?;
    let flyteadmin = FlyteAdmin::emulator("measured", &[PROJECT], &[]).await?;
    let setup = Setup {
        name: "measure",
        clusters: &world.clusters,
        registry: &world.registry,
        flyteadmin: &flyteadmin,
        projects: &[PROJECT],
        hub: json!({"log": {"level": "info"}}),
        agent: Value::Null,
    };
    let system = System::start(setup).await?;
    system
        .push(&sample_package().await?, "measure/etl", "v1")
        .await?;
    memory(&system, "idle")?;
    latency(&system, &flyteadmin).await?;
    many(&system).await?;
    memory(
        &system,
        &format!("with {MANY} resources in {}", CLUSTERS[0]),
    )?;
    restart(&system, &flyteadmin).await
}

fn memory(system: &System<'_>, when: &str) -> Result<()> {
    let hub = system.hub.rss_bytes()?;
    let agent = system.agents[0].rss_bytes()?;
    println!(
        "resident memory {when}: hub {} MiB, agent {} MiB",
        hub / MIB,
        agent / MIB
    );
    Ok(())
}

fn spec(system: &System<'_>, version: &str) -> Value {
    json!({
        "workflowProject": PROJECT,
        "workflowDomain": "development",
        "workflowVersion": version,
        "workflowPackageUri": format!("oci://{}/measure/etl:v1", system.setup.registry.host()),
    })
}

/// From the POST of a resource until its status says that it is registered, one at a time.
async fn latency(system: &System<'_>, flyteadmin: &FlyteAdmin) -> Result<()> {
    let api = Api::new(&system.setup.clusters[0], &system.setup.tenant_namespace())?;
    let (mut whole, mut calls) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        flyteadmin
            .control(Method::POST, "counters/reset", None)
            .await?;
        let name = format!("one-{round}");
        let began = Instant::now();
        api.create(&name, &spec(system, &format!("l{round}")))
            .await?;
        while !shows(&api.get(&name).await?, "Registered") {
            tokio::task::yield_now().await;
        }
        whole.push(began.elapsed());
        calls.push(time_in_calls(
            &flyteadmin.control(Method::GET, "log", None).await?,
        )?);
    }
    let (whole, calls) = (median(whole), median(calls));
    let share = 100.0 * calls.as_secs_f64() / whole.as_secs_f64();
    println!(
        "POST to Registered, median of {ROUNDS}: {whole:.1?}, of it in FlyteAdmin {calls:.1?} ({share:.0} %)"
    );
    Ok(())
}

/// How long at least one call was on its way.
fn time_in_calls(log: &Value) -> Result<Duration> {
    let mut spans: Vec<(u64, u64)> = log
        .as_array()
        .context("no log")?
        .iter()
        .filter_map(|call| Some((call["started"].as_u64()?, call["ended"].as_u64()?)))
        .collect();
    spans.sort_unstable();
    let (mut sum, mut until) = (0, 0);
    for (start, end) in spans {
        sum += end.saturating_sub(start.max(until));
        until = until.max(end);
    }
    Ok(Duration::from_micros(sum))
}

/// From the first POST until the last resource is registered. Eight connections, as kubectl sends
/// one request after the other and would be what is measured.
async fn many(system: &System<'_>) -> Result<()> {
    let api = Api::new(&system.setup.clusters[0], &system.setup.tenant_namespace())?;
    let began = Instant::now();
    let mut posts = JoinSet::new();
    for lane in 0..LANES {
        let (api, specs) = (api.clone(), (lane..MANY - ROUNDS).step_by(LANES));
        let specs: Vec<_> = specs
            .map(|index| (format!("many-{index}"), spec(system, &format!("m{index}"))))
            .collect();
        posts.spawn(async move {
            for (name, spec) in specs {
                api.create(&name, &spec).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = posts.join_next().await {
        done??;
    }
    let posted = began.elapsed();
    system.all(0, MANY, "Registered", LONG).await?;
    let all = began.elapsed();
    println!(
        "{} resources: posted in {posted:.1?}, all registered in {all:.1?}",
        MANY - ROUNDS
    );
    Ok(())
}

/// Until the hub knows everything again, and what it asked for that.
async fn restart(system: &System<'_>, flyteadmin: &FlyteAdmin) -> Result<()> {
    flyteadmin
        .control(Method::POST, "counters/reset", None)
        .await?;
    let began = Instant::now();
    system.restart_hub().await?;
    let line = format!(
        "resources{{cluster=\"{}\",reason=\"Registered\"}} {MANY}",
        CLUSTERS[0]
    );
    while !system.hub_metrics().await?.contains(&line) {
        tokio::task::yield_now().await;
    }
    let calls = flyteadmin.counters().await?["total"].clone();
    println!(
        "hub restarted with {MANY} resources: all known after {:.1?}, {calls} calls to FlyteAdmin",
        began.elapsed()
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The API server without kubectl, which takes a tenth of a second for each command.
#[derive(Clone)]
struct Api {
    client: Client,
    url: String,
    token: String,
    namespace: String,
}

impl Api {
    fn new(cluster: &ApiServer, namespace: &str) -> Result<Self> {
        let kubeconfig: Value = serde_json::from_slice(&std::fs::read(cluster.kubeconfig())?)?;
        let token = kubeconfig["users"][0]["user"]["token"]
            .as_str()
            .context("a token")?;
        Ok(Self {
            client: crate::tls::client(Some(cluster.authority()))?,
            url: format!(
                "{}/apis/flyte.backend/v1/namespaces/{namespace}/flyteregistrations",
                cluster.url()
            ),
            token: token.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    async fn create(&self, name: &str, spec: &Value) -> Result<()> {
        let body = manifest(&self.namespace, name, spec);
        let request = self
            .client
            .post(&self.url)
            .bearer_auth(&self.token)
            .json(&body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Value> {
        let request = self
            .client
            .get(format!("{}/{name}", self.url))
            .bearer_auth(&self.token);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}

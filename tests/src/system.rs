//! The whole product on real peers: a hub with TLS, and an agent in each cluster under its shipped role.

mod agent;
mod hub;
mod push;
mod registration;
mod setup;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::Value;

use crate::{
    command::Output,
    paths::{free_port, run_dir},
    peers,
    process::Process,
    tls::client,
    wait_until,
};
pub use agent::install_crds;
pub use push::push;
pub use registration::{manifest, ready, shows};
pub use setup::Setup;

/// How long the hub and its agents may take to be ready, on a busy machine.
const READY: Duration = Duration::from_mins(1);
/// The names of the clusters, as the hub knows them.
pub const CLUSTERS: [&str; 2] = ["cluster-a", "cluster-b"];
/// For whom the agents' tokens are.
pub const AUDIENCE: &str = "flyte-registration-hub";

/// A hub with its agents.
pub struct System<'a> {
    /// What it was made of.
    pub setup: Setup<'a>,
    /// The hub's process.
    pub hub: Process,
    /// The agents' processes, one for each cluster.
    pub agents: Vec<Process>,
    hub_web: String,
    agent_webs: Vec<String>,
    hub_file: PathBuf,
    http: Client,
}

impl<'a> System<'a> {
    /// Starts it, and waits until agents and hub are connected.
    pub async fn start(setup: Setup<'a>) -> Result<Self> {
        Self::start_with(setup, &[]).await
    }

    /// The same, with `env` added to the hub's environment.
    pub async fn start_with(setup: Setup<'a>, env: &[(&str, &str)]) -> Result<Self> {
        let dir = run_dir(&format!("{}-hub", setup.name))?;
        let (hub_port, web_port) = (free_port()?, free_port()?);
        let config = hub::config(&setup, &dir, hub_port, web_port).await?;
        let hub = peers::hub(&dir, &config.to_string(), env)?;
        let mut system = Self {
            hub,
            agents: Vec::new(),
            hub_web: format!("http://127.0.0.1:{web_port}"),
            agent_webs: Vec::new(),
            hub_file: dir.join("hub.yaml"),
            http: client(None)?,
            setup,
        };
        for index in 0..system.setup.clusters.len() {
            let (agent, web) = agent::start(&system.setup, index, &dir, hub_port).await?;
            system.agents.push(agent);
            system.agent_webs.push(web);
        }
        system.ready().await?;
        Ok(system)
    }

    /// Waits until hub and agents are ready, which agents are only with the hub's welcome.
    pub async fn ready(&self) -> Result<()> {
        self.answers(&self.hub, &format!("{}/readyz", self.hub_web))
            .await?;
        for (agent, web) in self.agents.iter().zip(&self.agent_webs) {
            self.answers(agent, &format!("{web}/readyz")).await?;
        }
        Ok(())
    }

    async fn answers(&self, process: &Process, url: &str) -> Result<()> {
        let ask = || async {
            Ok(self
                .http
                .get(url)
                .send()
                .await?
                .error_for_status()
                .map(drop)?)
        };
        process.ready(READY, ask).await
    }

    /// What `/metrics` of the hub says.
    pub async fn hub_metrics(&self) -> Result<String> {
        let url = format!("{}/metrics", self.hub_web);
        Ok(self
            .http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?)
    }

    /// Where health and metrics of the hub are.
    pub fn hub_web(&self) -> &str {
        &self.hub_web
    }

    /// Where health and metrics of an agent are.
    pub fn agent_web(&self, cluster: usize) -> &str {
        &self.agent_webs[cluster]
    }

    /// Pushes `package` to `repository:tag` of the registry with the hub's own command. Returns the
    /// manifest's digest.
    pub async fn push(&self, package: &Path, repository: &str, tag: &str) -> Result<String> {
        push(
            self.setup.registry,
            self.hub.dir(),
            package,
            repository,
            tag,
        )
        .await
    }

    /// Applies a registration with the real kubectl in the tenant's namespace.
    pub async fn apply(&self, cluster: usize, name: &str, spec: &Value) -> Result<Output> {
        let namespace = self.setup.tenant_namespace();
        let manifest = manifest(&namespace, name, spec);
        self.setup.clusters[cluster]
            .apply(&manifest.to_string())
            .await
    }

    /// Runs kubectl in the tenant's namespace.
    pub async fn kubectl(&self, cluster: usize, args: &[&str]) -> Result<Output> {
        let namespace = self.setup.tenant_namespace();
        let all: Vec<&str> = ["--namespace", &namespace]
            .iter()
            .chain(args)
            .copied()
            .collect();
        self.setup.clusters[cluster].kubectl(&all).await
    }

    /// The resource as the API server has it.
    pub async fn get(&self, cluster: usize, name: &str) -> Result<Value> {
        let text = self
            .kubectl(cluster, &["get", "flyreg", name, "--output=json"])
            .await?
            .success()?;
        Ok(serde_json::from_str(&text)?)
    }

    /// All resources of the tenant's namespace.
    pub async fn list(&self, cluster: usize) -> Result<Vec<Value>> {
        let text = self
            .kubectl(cluster, &["get", "flyreg", "--output=json"])
            .await?
            .success()?;
        let list: Value = serde_json::from_str(&text)?;
        Ok(list["items"].as_array().context("no list")?.clone())
    }

    /// Waits until the resource shows `reason` for its present generation, and gives it.
    pub async fn reason(
        &self,
        cluster: usize,
        name: &str,
        reason: &str,
        deadline: Duration,
    ) -> Result<Value> {
        let what = format!("{name} of {} shows {reason}", CLUSTERS[cluster]);
        wait_until(deadline, &what, || async {
            let resource = self.get(cluster, name).await?;
            ensure!(shows(&resource, reason), "{:#}", resource["status"]);
            anyhow::Ok(resource)
        })
        .await
    }

    /// Waits until all resources of the tenant's namespace show `reason`.
    pub async fn all(
        &self,
        cluster: usize,
        count: usize,
        reason: &str,
        deadline: Duration,
    ) -> Result<Vec<Value>> {
        let what = format!("{count} resources of {} show {reason}", CLUSTERS[cluster]);
        wait_until(deadline, &what, || async {
            let resources = self.list(cluster).await?;
            let others: Vec<&Value> = resources
                .iter()
                .filter(|resource| !shows(resource, reason))
                .collect();
            ensure!(
                resources.len() == count && others.is_empty(),
                "{} resources, {} others, such as {:#}",
                resources.len(),
                others.len(),
                others
                    .first()
                    .map_or(&Value::Null, |resource| &resource["status"])
            );
            anyhow::Ok(resources)
        })
        .await
    }

    /// Kills the hub with SIGKILL and starts it again.
    pub async fn restart_hub(&self) -> Result<()> {
        self.hub.kill()?;
        self.hub.start_again()?;
        self.answers(&self.hub, &format!("{}/readyz", self.hub_web))
            .await
    }

    /// The file of the hub's configuration.
    pub fn hub_file(&self) -> &Path {
        &self.hub_file
    }

    /// Changes the file of the hub's configuration, which a running hub notices.
    pub fn reconfigure_hub(&self, change: &Value) -> Result<()> {
        let mut config = serde_json::from_slice(&fs::read(&self.hub_file)?)?;
        merge(&mut config, change);
        self.write_hub_config(&config.to_string())
    }

    /// Puts `text` in the place of the hub's configuration, whether it is one or not.
    pub fn write_hub_config(&self, text: &str) -> Result<()> {
        let new = self.hub_file.with_extension("new");
        fs::write(&new, text)?;
        Ok(fs::rename(new, &self.hub_file)?)
    }

    /// Kills an agent with SIGKILL and starts it again.
    pub fn restart_agent(&self, cluster: usize) -> Result<()> {
        self.agents[cluster].kill()?;
        self.agents[cluster].start_again()
    }
}

/// Puts `over` over `value`: objects key by key, all else whole.
fn merge(value: &mut Value, over: &Value) {
    match (value, over) {
        (Value::Object(fields), Value::Object(over)) => {
            for (key, over) in over {
                merge(fields.entry(key).or_insert(Value::Null), over);
            }
        }
        (_, Value::Null) => {}
        (value, over) => *value = over.clone(),
    }
}

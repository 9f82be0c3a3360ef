//! The whole product on real peers: a hub with TLS, and an agent in each cluster under its shipped role.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    command::{self, Output},
    paths::{free_port, run_dir, tests_dir, workspace_binary},
    peers::{self, ApiServer, FlyteAdmin, Registry},
    process::Process,
    tls::{Authority, client},
    wait_until,
};

/// How long the hub and its agents may take to be ready, on a busy machine.
const READY: Duration = Duration::from_mins(1);
/// The names of the clusters, as the hub knows them.
pub const CLUSTERS: [&str; 2] = ["cluster-a", "cluster-b"];

/// What a system is made of and allowed.
pub struct Setup<'a> {
    /// Names its namespaces, folders and leases: no two systems of a process may share it.
    pub name: &'a str,
    /// The clusters, at most as many as [`CLUSTERS`].
    pub clusters: &'a [ApiServer],
    /// Where packages come from.
    pub registry: &'a Registry,
    /// Where they are registered.
    pub flyteadmin: &'a FlyteAdmin,
    /// The Flyte projects that the tenant may register into.
    pub projects: &'a [&'a str],
    /// Merged over the hub's configuration.
    pub hub: Value,
    /// Merged over the agents' configuration.
    pub agent: Value,
}

/// For whom the agents' tokens are.
pub const AUDIENCE: &str = "flyte-registration-hub";
/// How long they are good: nothing writes new ones, and a demo may be looked at for hours.
const TOKENS_LAST: &str = "24h";

impl Setup<'_> {
    /// The namespace that the agents run in.
    pub fn system_namespace(&self) -> String {
        format!("system-{}", self.name)
    }

    /// The agents' service account in there.
    pub fn service_account(&self) -> String {
        format!("agent-{}", self.system_namespace())
    }

    /// How tokens name it.
    pub fn subject(&self) -> String {
        let (namespace, account) = (self.system_namespace(), self.service_account());
        format!("system:serviceaccount:{namespace}:{account}")
    }

    /// The namespace in which tenants' resources stand. It exists in each cluster.
    pub fn tenant_namespace(&self) -> String {
        format!("data-{}", self.name)
    }
}

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
        let config = hub_config(&setup, &dir, hub_port, web_port).await?;
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
            let (agent, web) = start_agent(&system.setup, index, &dir, hub_port).await?;
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

/// The `Ready` condition of a resource.
pub fn ready(resource: &Value) -> &Value {
    let conditions = resource["status"]["conditions"].as_array();
    conditions
        .and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"))
        .unwrap_or(&Value::Null)
}

/// Whether a resource shows `reason`, and for its present generation.
pub fn shows(resource: &Value, reason: &str) -> bool {
    let condition = ready(resource);
    condition["reason"] == reason
        && condition["observedGeneration"] == resource["metadata"]["generation"]
}

/// A registration as a manifest.
pub fn manifest(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "flyte.backend/v1",
        "kind": "FlyteRegistration",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

/// Pushes `package` with the hub's own command, and gives the manifest's digest.
pub async fn push(
    registry: &Registry,
    dir: &Path,
    package: &Path,
    repository: &str,
    tag: &str,
) -> Result<String> {
    let reference = format!("oci://{}/{repository}:{tag}", registry.host());
    let mut args = vec!["push".to_owned(), package.display().to_string(), reference];
    if let Some((user, password)) = registry.user() {
        let file = dir.join("push-password");
        fs::write(&file, password)?;
        args.extend([
            "--username".into(),
            user.into(),
            "--password-file".into(),
            file.display().to_string(),
        ]);
    }
    if let Some(authority) = registry.authority() {
        args.extend(["--ca-file".into(), authority.display().to_string()]);
    }
    let hub = workspace_binary("flyte-registration-hub")?;
    let said = command::run(&hub, args, &[], "").await?.success()?;
    Ok(said
        .lines()
        .last()
        .context("push says no digest")?
        .to_owned())
}

async fn hub_config(setup: &Setup<'_>, dir: &Path, port: u16, web_port: u16) -> Result<Value> {
    let authority = Authority::new("hub CA")?;
    authority.write(dir)?;
    let files = authority.issue(dir, "hub", &["hub"])?;
    let mut source = json!({"kind": "oci", "registry": setup.registry.host(), "timeout": "10s"});
    if let Some((user, password)) = setup.registry.user() {
        fs::write(dir.join("registry-password"), password)?;
        source["username"] = user.into();
        source["passwordFile"] = json!(dir.join("registry-password"));
    }
    match setup.registry.authority() {
        Some(authority) => source["caFile"] = json!(authority),
        None => source["plainHttp"] = true.into(),
    }
    let mut clusters = json!({});
    for (name, cluster) in CLUSTERS.iter().zip(setup.clusters) {
        clusters[name] = json!({"token": token_config(setup, cluster, name, dir).await?});
    }
    let mut config = json!({
        "listen": {
            "address": format!("127.0.0.1:{port}"),
            "tls": {"certFile": files.certificate, "keyFile": files.key},
        },
        "web": {"listen": format!("127.0.0.1:{web_port}")},
        "stateDir": dir.join("state"),
        "cache": {"dir": dir.join("cache")},
        "clusters": clusters,
        "tenants": {
            "warehouse": {
                "clusters": CLUSTERS,
                "namespaces": [setup.tenant_namespace()],
                "flyteAdmin": "main",
                "projects": setup.projects,
                "domains": ["development"],
                "sources": ["registry"],
                "images": ["*"],
                "defaultSource": "registry",
            },
        },
        "sources": {"registry": source},
        "flyteAdmins": {"main": {"endpoint": setup.flyteadmin.endpoint(), "insecure": true}},
        "work": {"retryInitial": "500ms", "retryMax": "2s"},
        "log": {"level": "debug", "format": "text"},
    });
    if setup.clusters.len() < CLUSTERS.len() {
        config["tenants"]["warehouse"]["clusters"] = json!(CLUSTERS[..setup.clusters.len()]);
    }
    merge(&mut config, &setup.hub);
    Ok(config)
}

/// The keys of the first cluster are in a file, those of the others are discovered.
async fn token_config(
    setup: &Setup<'_>,
    cluster: &ApiServer,
    name: &str,
    dir: &Path,
) -> Result<Value> {
    let mut token = json!({"issuer": cluster.issuer(), "subject": setup.subject()});
    if name == CLUSTERS[0] {
        let file = dir.join(format!("{name}.jwks"));
        fs::write(&file, cluster.jwks().await?)?;
        token["jwksFile"] = json!(file);
    } else {
        token["caFile"] = json!(cluster.authority_file());
    }
    Ok(token)
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

/// Installs what the charts ship into the cluster, and starts the agent under it.
async fn start_agent(
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

//! The process: what runs, what depends on what, and how it ends.

use std::{convert::Infallible, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    config::{KubeConfigOptions, Kubeconfig},
    core::PartialObjectMeta,
};
use rand::RngExt as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    chain,
    config::Config,
    health::Health,
    lease::Keeper,
    link::{Link, LinkState, Standing},
    metrics::Metrics,
    retry::Backoff,
    status::{Resources, SharedDesk, Writer},
    watch::{Index, Shared, Source, kubernetes},
    web,
};

/// Longest wait for the tasks to end once the process is told to.
const GOODBYE: Duration = Duration::from_secs(8);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(15),
};

/// Runs the agent until it is told to end, or until a task that it cannot live without ends.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let (client, default_namespace) = client(config.kubeconfig.as_deref()).await?;
    let sources = Source::all_of(&config.namespaces);
    let shared = Arc::new(Shared::new(Index::new(&sources)));
    let (metrics, health, stop) = (
        Metrics::default(),
        Health::default(),
        CancellationToken::new(),
    );
    let identity = config
        .lease
        .identity
        .clone()
        .unwrap_or_else(random_identity);
    let standing = watch::Sender::new(Standing::default());
    let mut tasks = JoinSet::new();

    for source in sources {
        let beat = health.task(format!("{source:?}"));
        let watch = kubernetes::watch(client.clone(), source, Arc::clone(&shared), metrics.clone());
        tasks.spawn(async move {
            beat.during(watch).await;
            "a watch"
        });
    }

    let namespace = config.lease.namespace.clone().unwrap_or(default_namespace);
    let (keeper, held) = Keeper::new(
        client.clone(),
        &namespace,
        &config.lease.name,
        identity.clone(),
        metrics.clone(),
    );
    let (beat, until) = (health.task("lease"), stop.clone());
    tasks.spawn(async move {
        beat.during(keeper.run(until)).await;
        "the Lease"
    });

    let shown = web::Shown {
        health: health.clone(),
        metrics: metrics.clone(),
        listed: shared.complete(),
        leading: held.clone(),
        standing: standing.subscribe(),
    };
    let (address, until) = (config.web.listen, stop.clone());
    tasks.spawn(async move {
        if let Err(error) = web::serve(address, shown, until).await {
            warn!(%address, %error, "health and metrics cannot be served");
        }
        "the web server"
    });

    let leader = Leader {
        config,
        client,
        identity,
        shared,
        metrics,
        standing,
    };
    let (beat, until) = (health.task("leader"), stop.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = until.cancelled() => {}
            Err(error) = beat.during(leader.run(held)) => warn!(%error, "the work of the leader ended"),
        }
        "the leader"
    });
    supervise(tasks, stop).await
}

async fn supervise(
    mut tasks: JoinSet<&'static str>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ended = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        ended = tasks.join_next() => ended,
    };
    stop.cancel();
    if let Some(ended) = ended {
        // Rather dead than alive without it: whoever started this process starts it anew.
        bail!(
            "{} ended unexpectedly",
            ended.unwrap_or("a task, by a panic,")
        );
    }
    info!("told to end");
    // Watches run for ever; the others come to an end by themselves, the Lease last.
    let goodbye = async {
        while let Some(ended) = tasks.join_next().await {
            if matches!(ended, Ok("the Lease")) {
                return;
            }
        }
    };
    if timeout(GOODBYE, goodbye).await.is_err() {
        warn!("not everything ended in time");
    }
    Ok(())
}

/// What only the holder of the Lease does.
struct Leader {
    config: Config,
    client: Client,
    identity: String,
    shared: Arc<Shared>,
    metrics: Metrics,
    standing: watch::Sender<Standing>,
}

impl Leader {
    /// Streams and writes while the Lease is held. The moment it is not, both are dropped.
    async fn run(self, mut held: watch::Receiver<bool>) -> anyhow::Result<Infallible> {
        loop {
            held.wait_for(|held| *held)
                .await
                .context("nobody keeps the Lease")?;
            tokio::select! {
                ended = self.lead() => return ended,
                lost = held.wait_for(|held| !*held) => {
                    lost.context("nobody keeps the Lease")?;
                }
            }
            self.metrics.connected.set(0);
            self.metrics.refused.set(0);
        }
    }

    async fn lead(&self) -> anyhow::Result<Infallible> {
        let desk = Arc::new(SharedDesk::default());
        let state = watch::Sender::new(LinkState::down());
        let writer = Writer {
            resources: Resources::new(
                self.client.clone(),
                self.identity.clone(),
                self.metrics.clone(),
            ),
            shared: Arc::clone(&self.shared),
            desk: Arc::clone(&desk),
            link: state.subscribe(),
            standing: self.standing.subscribe(),
            unreachable_after: self.config.hub.unreachable_after,
        };
        let link = async {
            let link = Link {
                hub: self.config.hub.clone(),
                namespaces: self.config.namespaces.clone(),
                cluster_uid: self.cluster_uid().await,
                shared: Arc::clone(&self.shared),
                desk,
                state,
                standing: self.standing.clone(),
                metrics: self.metrics.clone(),
            };
            link.run().await;
        };
        tokio::select! {
            () = link => Err(anyhow!("the link ended")),
            ended = writer.run() => {
                ended.context("a write panicked")?;
                Err(anyhow!("the status writer ended"))
            }
        }
    }

    /// Which cluster this is: the uid of the namespace that every cluster has.
    async fn cluster_uid(&self) -> String {
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(self.client.clone());
        for attempt in 0.. {
            match api.get("kube-system").await {
                Ok(namespace) => return namespace.metadata.uid.unwrap_or_default(),
                Err(error) => {
                    let error = chain(&error);
                    warn!(
                        error,
                        "the namespace kube-system, whose uid names the cluster, cannot be read"
                    );
                    sleep(BACKOFF.delay(attempt)).await;
                }
            }
        }
        String::new()
    }
}

/// A client, and the namespace that it is at home in.
async fn client(kubeconfig: Option<&Path>) -> anyhow::Result<(Client, String)> {
    let config = match kubeconfig {
        Some(file) => {
            let kubeconfig = Kubeconfig::read_from(file)
                .with_context(|| format!("kubeconfig: {}", file.display()))?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::infer()
            .await
            .context("found neither a kubeconfig nor a pod's service account")?,
    };
    let namespace = config.default_namespace.clone();
    Ok((Client::try_from(config)?, namespace))
}

/// The host's name, which in a pod is the pod's, and what makes it unique.
fn random_identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let suffix: u32 = rand::rng().random();
    format!("{}_{suffix:08x}", host.trim())
}

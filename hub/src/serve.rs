//! Wires the hub together and runs it.

use std::{fs, io::IsTerminal as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::{
    audit::{self, Audit},
    config::{self, Config, LogFormat},
    fleet::{Fleet, FleetHandle, Policy, Settings},
    gateway::{self, Gateway, Listener, Pins, Tls},
    identity::Identities,
    metrics::Metrics,
    receipt,
    reload::{self, Reload},
    source::Cache,
    web,
    work::{Parts, Runner},
};

/// How long sessions may take to end.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long activations that have begun may take to end. With the sessions' time and that of
/// the other tasks before, it is less than the 30 s that Kubernetes gives a pod.
const ACTIVATIONS: Duration = Duration::from_secs(15);

/// Runs the hub until SIGTERM or SIGINT, or until a task ends that it cannot live without.
pub async fn serve(files: Vec<PathBuf>) -> anyhow::Result<()> {
    let texts = reload::read(&files).await;
    let config = config::load(&files)?;
    start_logging(&config.log)?;
    let _lock = lock_state(&config)?;

    let receipts = receipt::Key::load_or_create(&config.receipt_key_file())?;
    let policy = Policy::new(&config, receipts.clone());
    let fleet = FleetHandle::new(Fleet::new(policy, settings(&config)));
    let cache = Cache::open(&config.cache)
        .with_context(|| format!("cannot use the cache {}", config.cache.dir.display()))?;
    let metrics = Arc::new(Metrics::new(fleet.clone()));
    let parts = Parts::new(&config, cache)?;
    let (audit, recorder) =
        Audit::open(&config.audit, config.state_dir.as_ref(), metrics.audit()).await?;
    let runner = Arc::new(Runner::new(
        fleet.clone(),
        parts,
        Arc::clone(&metrics),
        audit.clone(),
    ));
    let agents = bind(config.listen.address).await?;
    let web = bind(config.web.listen).await?;
    info!(address = %agents.local_addr()?, web = %web.local_addr()?, tls = config.listen.tls.is_some(), "listening");

    // Sessions are asked to leave first; only then does everything else stop.
    let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
    let sessions = TaskTracker::new();
    let (identities, known) = watch::channel(Arc::new(Identities::new(&config.clusters, None)));
    let configured = known.clone();
    let tls = config.listen.tls.as_ref().map(Tls::load).transpose();
    let tls = tls.context("listen.tls cannot be used")?.map(Arc::new);
    let gateway = Gateway::new(
        fleet.clone(),
        (known, tls.clone()),
        Pins::new(config.pins_dir()),
        config.session.clone(),
        Arc::clone(&metrics),
        audit.clone(),
        sessions.clone(),
        drain.clone(),
    );
    let agents = Listener::new(
        agents,
        tls.clone(),
        &config.session,
        Arc::clone(&metrics),
        audit.clone(),
    );
    let server = gateway::server().add_service(gateway.into_service());

    let mut tasks = JoinSet::new();
    let stopped = stop.clone();
    tasks.spawn(named("gateway", async move {
        let incoming = agents.incoming();
        Ok(server
            .serve_with_incoming_shutdown(incoming, stopped.cancelled_owned())
            .await?)
    }));
    let reload = Reload {
        files,
        config: config.clone(),
        receipts,
        identities,
        tls,
        fleet: fleet.clone(),
        runner: Arc::clone(&runner),
        metrics: Arc::clone(&metrics),
        audit: audit.clone(),
    };
    let stopped = stop.clone();
    tasks.spawn(named("reload", async move {
        tokio::select! {
            () = stopped.cancelled() => Ok(()),
            ended = reload.run(texts) => Ok(ended?),
        }
    }));
    let stopped = stop.clone();
    tasks.spawn(named("audit", async move {
        recorder.run(stopped).await;
        Ok(())
    }));
    let (refusing, recording, stopped) = (fleet.clone(), audit.clone(), stop.clone());
    tasks.spawn(named("refusals", async move {
        let work = audit::put_refusals_on_record(refusing, recording);
        stopped.run_until_cancelled_owned(work).await;
        Ok(())
    }));
    if let Some(api) = config.api.clone() {
        let listener = bind(api.listen).await?;
        let (fleet, audit, stopped) = (fleet.clone(), audit.clone(), stop.clone());
        tasks.spawn(named("api", async move {
            Ok(web::api::serve(listener, &api, fleet, audit, configured, stopped).await?)
        }));
    }
    let ends = (drain.clone(), stop.clone());
    tasks.spawn(named("web", async move {
        web::serve(web, fleet, metrics, ends).await;
        Ok(())
    }));
    let (concurrency, stopped) = (config.work.concurrency, stop.clone());
    let working = Arc::clone(&runner);
    tasks.spawn(named("work", async move {
        working.run(concurrency, stopped).await;
        Ok(())
    }));

    let outcome = tokio::select! {
        name = told_to_stop() => name.map(|name| info!(signal = name, "stopping")),
        Some(ended) = tasks.join_next() => Err(unexpected(ended)),
    };
    drain.cancel();
    sessions.close();
    let _ = tokio::time::timeout(GOODBYE, sessions.wait()).await;
    stop.cancel();
    // A silent peer can hold hyper's shutdown up for ever: what is left then is dropped.
    let _ = tokio::time::timeout(GOODBYE, async {
        while tasks.join_next().await.is_some() {}
    })
    .await;
    if tokio::time::timeout(ACTIVATIONS, runner.activations_ended())
        .await
        .is_err()
    {
        warn!("stopping amid activations: some schedules may not run until they are repeated");
    }
    outcome
}

type Ended = (&'static str, anyhow::Result<()>);

async fn named(name: &'static str, task: impl Future<Output = anyhow::Result<()>>) -> Ended {
    (name, task.await)
}

fn unexpected(ended: Result<Ended, tokio::task::JoinError>) -> anyhow::Error {
    let error = match ended {
        Ok((name, Ok(()))) => anyhow::anyhow!("task {name} ended"),
        Ok((name, Err(error))) => error.context(format!("task {name} failed")),
        Err(error) => anyhow::Error::new(error).context("a task panicked"),
    };
    error!("{error:#}");
    error
}

async fn told_to_stop() -> anyhow::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// One hub at a time may use a state directory.
fn lock_state(config: &Config) -> anyhow::Result<fs::File> {
    let dir = config.state_dir.as_ref();
    fs::create_dir_all(dir)
        .with_context(|| format!("cannot make the state directory {}", dir.display()))?;
    let path = dir.join("lock");
    let file =
        fs::File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    file.try_lock()
        .with_context(|| format!("another hub holds {}", path.display()))?;
    Ok(file)
}

fn settings(config: &Config) -> Settings {
    Settings {
        retry_initial: config.work.retry_initial,
        retry_max: config.work.retry_max,
        places: config.work.concurrency,
        max_objects: config.session.max_objects,
    }
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

fn start_logging(log: &config::Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.level).context("log.level")?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    Ok(())
}

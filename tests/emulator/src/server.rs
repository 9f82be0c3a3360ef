//! Starting and stopping.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use axum::{
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use parking_lot::RwLock;
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{
    metadata::MetadataMap,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::{ServingStatus, server::health_reporter};

use crate::{
    admin::{Admin, Limits, Settings},
    auth::Authority,
    counters::Counters,
    faults::Faults,
    grpc::{Front, Shared},
    http,
    options::Options,
    persist,
    pool::Pool,
    quantity::Quantity,
    storage::Storage,
};

/// The service that health checks of the real server know.
const HEALTH_SERVICE: &str = "flyteadmin";
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// A running emulator; it stops when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    /// Where gRPC is served.
    pub grpc: SocketAddr,
    /// Where counters and faults are served.
    pub http: SocketAddr,
    shared: Arc<Shared>,
    tasks: [JoinHandle<anyhow::Result<()>>; 2],
}

impl Emulator {
    /// Starts on the addresses of the options, and writes the ready file.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let grpc = TcpListener::bind(options.listen)
            .await
            .context("bind gRPC")?;
        let http = TcpListener::bind(options.http).await.context("bind HTTP")?;
        let (grpc_address, http_address) = (grpc.local_addr()?, http.local_addr()?);
        let authority = options.auth.then(|| {
            let life = Duration::from_secs(options.token_seconds);
            let url = format!("http://{http_address}");
            Arc::new(Authority::new(url, life, &options.clients))
        });
        let shared = Arc::new(Shared {
            admin: Admin::new(settings(options)?)?,
            counters: Counters::default(),
            faults: Faults::default(),
            pool: Pool::new(options.pool_limit),
            latency: RwLock::new(Duration::from_millis(options.latency_ms)),
            authority,
        });
        let (health, health_service) = health_reporter();
        health
            .set_service_status(HEALTH_SERVICE, ServingStatus::Serving)
            .await;
        let routes = Routes::new(health_service).into_axum_router();
        let authority = shared.authority.clone();
        let routes = routes.layer(middleware::from_fn(move |request: Request, next: Next| {
            let refused = refused(authority.as_deref(), &request);
            async {
                match refused {
                    Some(refusal) => refusal,
                    None => next.run(request).await,
                }
            }
        }));
        let routes = Routes::from(routes.fallback_service(Front(Arc::clone(&shared))));
        let serve_grpc = Server::builder()
            .add_routes(routes)
            .serve_with_incoming(TcpIncoming::from(grpc).with_nodelay(Some(true)));
        let serve_http = axum::serve(http, http::router(Arc::clone(&shared)));
        let tasks = [
            tokio::spawn(async { serve_grpc.await.context("serve gRPC") }),
            tokio::spawn(async { serve_http.await.context("serve HTTP") }),
        ];
        if let Some(path) = &options.ready_file {
            let ready = serde_json::json!({
                "grpc": grpc_address.to_string(),
                "http": http_address.to_string(),
            });
            persist::replace(path, ready.to_string().as_bytes()).context("write the ready file")?;
        }
        Ok(Self {
            grpc: grpc_address,
            http: http_address,
            shared,
            tasks,
        })
    }

    /// What was asked so far.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// What is to fail.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// As if its blob store had been emptied: workflows are there, but not what runs.
    pub fn lose_closures(&self) -> anyhow::Result<()> {
        let lost = self.shared.admin.lose_closures();
        lost.map_err(|error| anyhow!(error.message))
    }

    /// Who gives out tokens, if they are asked for.
    pub fn authority(&self) -> Option<&Authority> {
        self.shared.authority.as_deref()
    }

    /// Serves until something ends that should not.
    pub async fn wait(mut self) -> anyhow::Result<()> {
        let [grpc, http] = &mut self.tasks;
        tokio::select! {
            ended = grpc => ended??,
            ended = http => ended??,
        }
        Err(anyhow!("a server ended"))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What a check of the health is refused with: it needs a token as everything else. Its
/// other method streams, and streams need none.
fn refused(authority: Option<&Authority>, request: &Request) -> Option<Response> {
    let authority = authority.filter(|_| request.uri().path() == HEALTH_CHECK)?;
    let metadata = MetadataMap::from_headers(request.headers().clone());
    let error = authority.check(&metadata).err()?;
    Some(error.into_status().into_http())
}

fn settings(options: &Options) -> anyhow::Result<Settings> {
    let quantity =
        |text: &str| Quantity::parse(text).map_err(|reason| anyhow!("limit {text}: {reason}"));
    Ok(Settings {
        projects: options.projects.clone(),
        domains: options.domains.clone(),
        limits: Limits {
            cpu: quantity(&options.limit_cpu)?,
            memory: quantity(&options.limit_memory)?,
            gpu: quantity(&options.limit_gpu)?,
            workflow_nodes: options.limit_nodes,
        },
        state_file: options.state_file.clone(),
        storage: options.storage_endpoint.as_ref().map(|endpoint| Storage {
            endpoint: endpoint.clone(),
            bucket: options.storage_bucket.clone(),
            region: options.storage_region.clone(),
            key_id: options.storage_key_id.clone(),
            secret: options.storage_secret.clone(),
            expired: Arc::default(),
        }),
    })
}

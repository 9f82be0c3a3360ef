use anyhow::Result;
use tokio::sync::OnceCell;

use crate::{
    install::install,
    peers::{AccountKey, ApiServer, FlyteAdmin, Registry, RegistryOptions},
};

/// The projects that the shared `FlyteAdmin` has.
pub const PROJECTS: [&str; 3] = ["flytesnacks", "data-warehouse", "team-a"];

/// The peers that all end-to-end tests of one process share: each test uses namespaces and repositories of its own.
pub struct World {
    /// Two Kubernetes clusters. The keys of the second can be discovered from its issuer.
    pub clusters: [ApiServer; 2],
    /// An OCI registry with TLS and a password.
    pub registry: Registry,
    flyteadmin: OnceCell<FlyteAdmin>,
}

impl World {
    /// The world of this process, which the first call starts (and builds, when it has not been built yet).
    pub async fn shared() -> Result<&'static Self> {
        static WORLD: OnceCell<World> = OnceCell::const_new();
        WORLD.get_or_try_init(Self::start).await
    }

    async fn start() -> Result<Self> {
        install().await?;
        let registry = Registry::start("registry", RegistryOptions::default());
        let (a, b, registry) = tokio::try_join!(
            ApiServer::start("cluster-a"),
            ApiServer::start_with("cluster-b", AccountKey::Rsa, &[]),
            registry
        )?;
        b.publish_keys().await?;
        Ok(Self {
            clusters: [a, b],
            registry,
            flyteadmin: OnceCell::new(),
        })
    }

    /// The shared `FlyteAdmin`, with [`PROJECTS`]. A test that breaks it, or counts all requests, starts one of its own.
    pub async fn flyteadmin(&self) -> Result<&FlyteAdmin> {
        self.flyteadmin
            .get_or_try_init(|| FlyteAdmin::start("flyteadmin", &PROJECTS))
            .await
    }
}

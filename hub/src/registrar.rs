//! Executes plans against FlyteAdmin.
//!
//! FlyteAdmin v1.16.8 is sharp, and this module is what keeps it and us whole: few calls
//! in flight and fewer at the first sign of strain ([`adaptive`]), a deadline on each, one
//! writer at a time per name ([`writers`]), and answers understood by their text
//! ([`classify`]), as codes mean several things.

use std::{
    io::ErrorKind,
    sync::{Arc, atomic::AtomicUsize},
    time::Instant,
};

use flyte_registration_crd::Reason;
use thiserror::Error;
use tokio_util::task::TaskTracker;

use self::{
    admin::Admin,
    patience::Patience,
    places::Places,
    run::Run,
    upload::{Location, Storage, Upload},
    writers::Writers,
};
use crate::package::{Limits, Plan};

mod activate;
mod adaptive;
mod admin;
mod auth;
mod classify;
mod compare;
mod config;
mod diff;
mod endpoint;
mod explain;
mod foresee;
mod held;
mod leftover;
mod patience;
mod places;
mod preflight;
mod progress;
mod report;
mod run;
mod superseded;
mod swap;
mod upload;
mod wire;
mod writers;

pub use activate::Activated;
pub use adaptive::Load;
pub use auth::{AuthConfig, AuthConfigError};
pub use config::FlyteAdminConfig;
pub use diff::{Comparison, DiffError};
pub use endpoint::EndpointError;
pub use explain::{Change, Difference, Explanation};
pub use foresee::Forecast;
pub use report::{Failure, Report};
pub use run::Watch;
pub use upload::Open;

/// One FlyteAdmin, and all that is to be known of the work on it. Clones share it: the
/// limits hold for all plans together.
#[derive(Clone, Debug)]
pub struct Registrar(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: String,
    admin: Admin,
    max_workflow_nodes: usize,
    max_message_size_bytes: u64,
    storage: Storage,
    writers: Arc<Writers>,
    places: Places,
    /// Activations that have begun.
    swaps: TaskTracker,
}

impl Registrar {
    /// Prepares to speak to the FlyteAdmin that the configuration names `name`. Connects
    /// on the first call only, but must be called within a tokio runtime.
    pub fn new(name: impl Into<String>, config: &FlyteAdminConfig) -> Result<Self, EndpointError> {
        let admin = Admin::new(config)?;
        Ok(Self::with(
            name.into(),
            config,
            admin,
            Arc::default(),
            TaskTracker::new(),
        ))
    }

    /// The same FlyteAdmin under another configuration. There is still one writer at a time per
    /// name, this one and `self` taken together; calls in flight are counted anew.
    pub fn renewed(&self, config: &FlyteAdminConfig) -> Result<Self, EndpointError> {
        let Shared {
            name,
            writers,
            swaps,
            ..
        } = &*self.0;
        let admin = Admin::new(config)?;
        Ok(Self::with(
            name.clone(),
            config,
            admin,
            Arc::clone(writers),
            swaps.clone(),
        ))
    }

    /// The same FlyteAdmin, called as somebody else. Calls in flight and writers of both are
    /// counted together.
    pub fn called_as(
        &self,
        auth: &AuthConfig,
        config: &FlyteAdminConfig,
    ) -> Result<Self, EndpointError> {
        let config = config.called_as(auth);
        let Shared {
            name,
            admin,
            writers,
            swaps,
            ..
        } = &*self.0;
        Ok(Self::with(
            name.clone(),
            &config,
            admin.beside(&config)?,
            Arc::clone(writers),
            swaps.clone(),
        ))
    }

    fn with(
        name: String,
        config: &FlyteAdminConfig,
        admin: Admin,
        writers: Arc<Writers>,
        swaps: TaskTracker,
    ) -> Self {
        Self(Arc::new(Shared {
            name,
            admin,
            max_workflow_nodes: config.max_workflow_nodes,
            max_message_size_bytes: config.max_message_size_bytes,
            storage: Storage::new(config),
            writers,
            places: Places::default(),
            swaps,
        }))
    }

    /// The FlyteAdmin's name in the configuration.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The limits of packages that are to be registered here.
    pub fn limits(&self, package: &Limits) -> Limits {
        Limits {
            workflow_nodes: self.0.max_workflow_nodes,
            entity_bytes: self.0.max_message_size_bytes,
            ..package.clone()
        }
    }

    /// How many calls are on their way, and how many may be.
    pub fn load(&self) -> Load {
        self.0.admin.load()
    }

    /// Waits until every activation that has begun is ended. A process should not exit
    /// before: half of one leaves no schedule running.
    pub async fn activations_ended(&self) {
        self.0.swaps.close();
        self.0.swaps.wait().await;
    }

    /// Whether an activation that has begun goes on.
    pub fn is_activating(&self) -> bool {
        !self.0.swaps.is_empty()
    }

    /// Registers what the plan holds, as far as it is not registered already, and goes on
    /// after a failure with what does not depend on it. Dropping the future stops it; calling
    /// it again goes on where it stopped. A plan with code needs [`Self::register_from`].
    pub async fn register(&self, plan: &Plan) -> Report {
        self.register_from(plan, &|| Err(ErrorKind::NotFound.into()))
            .await
    }

    /// The same for a plan that may have code: it is taken from `package`, unless all that
    /// refers to it is registered already.
    pub async fn register_from(&self, plan: &Plan, package: Open<'_>) -> Report {
        self.register_watched(plan, package, &|_| ()).await
    }

    /// The same, with somebody watching.
    pub async fn register_watched(
        &self,
        plan: &Plan,
        package: Open<'_>,
        watch: Watch<'_>,
    ) -> Report {
        let report = match self.carry_out(plan, package, watch).await {
            Ok(report) => report,
            Err(trouble) => Report::not_begun(plan, &trouble),
        };
        let failure = report.failure.as_ref();
        if failure.is_some_and(|failure| {
            [Reason::ProjectNotFound, Reason::DomainNotFound].contains(&failure.reason)
        }) {
            self.0.places.forget(&plan.target).await;
        }
        tracing::info!(
            flyte_admin = self.0.name,
            project = plan.target.project,
            domain = plan.target.domain,
            version = plan.target.version,
            created = report.counts.created,
            unchanged = report.counts.unchanged,
            failed = report.counts.failed,
            reason = failure.map(|failure| failure.reason.as_str()),
            "registration ended",
        );
        report
    }

    /// The plan with the place of its code filled in, and that place; `None` without code.
    /// Where the code lies is known before it is there, and so what is planned.
    async fn located(
        &self,
        plan: &Plan,
        patience: &Patience,
    ) -> Result<Option<(Plan, Location)>, Trouble> {
        let Some(code) = &plan.code else {
            return Ok(None);
        };
        let location = upload::locate(&self.0.admin, &plan.target, code, patience).await?;
        Ok(Some((plan.located(&location.native_url), location)))
    }

    async fn carry_out(
        &self,
        plan: &Plan,
        package: Open<'_>,
        watch: Watch<'_>,
    ) -> Result<Report, Trouble> {
        let Shared {
            admin,
            storage,
            writers,
            places,
            ..
        } = &*self.0;
        let patience = Patience::new(plan.entities.len(), Instant::now());
        let (located, location) = self.located(plan, &patience).await?.unzip();
        let plan = located.as_ref().unwrap_or(plan);
        let found = preflight::look(admin, places, writers, plan, &patience).await?;
        let mut run = Run {
            admin,
            writers,
            plan,
            found,
            patience,
            explained: AtomicUsize::default(),
            watch,
        };
        if let (Some(code), Some(location)) = (&plan.code, location)
            && !run.code_is_in_use().await
        {
            let upload = Upload {
                admin,
                storage,
                target: &plan.target,
                code,
                package,
            };
            upload.put(location, &run.patience).await?;
            // However long that took, what follows has its own time.
            run.patience = Patience::new(plan.entities.len(), Instant::now());
        }
        Ok(Report::new(plan, run.execute().await))
    }
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
struct Trouble {
    reason: Reason,
    message: String,
}

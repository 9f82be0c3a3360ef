//! Executes plans against FlyteAdmin.
//!
//! FlyteAdmin v1.16.8 is sharp, and this module is what keeps it and us whole: few calls
//! in flight and fewer at the first sign of strain ([`adaptive`]), a deadline on each, one
//! writer at a time per name ([`writers`]), and answers understood by their text
//! ([`classify`]), as codes mean several things.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Instant,
};

use flyte_registration_crd::Reason;
use thiserror::Error;

use self::{admin::Admin, patience::Patience, places::Places, run::Run, writers::Writers};
use crate::package::Plan;

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
mod held;
mod patience;
mod places;
mod preflight;
mod progress;
mod report;
mod run;
mod swap;
mod wire;
mod writers;

pub use activate::Activated;
pub use adaptive::Load;
pub use auth::{AuthConfig, AuthConfigError};
pub use config::FlyteAdminConfig;
pub use diff::{Comparison, DiffError};
pub use endpoint::EndpointError;
pub use explain::{Change, Difference, Explanation};
pub use report::{Failure, Report};

/// One FlyteAdmin, and all that is to be known of the work on it. Clones share it: the
/// limits hold for all plans together.
#[derive(Clone, Debug)]
pub struct Registrar(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: String,
    admin: Admin,
    writers: Writers,
    places: Places,
}

impl Registrar {
    /// Prepares to speak to the FlyteAdmin that the configuration names `name`. Connects
    /// on the first call only, but must be called within a tokio runtime.
    pub fn new(name: impl Into<String>, config: &FlyteAdminConfig) -> Result<Self, EndpointError> {
        Ok(Self(Arc::new(Shared {
            name: name.into(),
            admin: Admin::new(config)?,
            writers: Writers::default(),
            places: Places::default(),
        })))
    }

    /// The FlyteAdmin's name in the configuration.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How many calls are on their way, and how many may be.
    pub fn load(&self) -> Load {
        self.0.admin.load()
    }

    /// Registers what the plan holds, as far as it is not registered already, and goes on
    /// after a failure with what does not depend on it. Dropping the future stops it; calling
    /// it again goes on where it stopped.
    pub async fn register(&self, plan: &Plan) -> Report {
        let patience = Patience::new(plan.entities.len(), Instant::now());
        let report = match preflight::look(&self.0.admin, &self.0.places, plan, &patience).await {
            Ok(found) => {
                let run = Run {
                    admin: &self.0.admin,
                    writers: &self.0.writers,
                    plan,
                    found,
                    patience,
                    explained: AtomicUsize::default(),
                };
                Report::new(plan, run.execute().await)
            }
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
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
struct Trouble {
    reason: Reason,
    message: String,
}

//! One version of a launch plan in the place of another.

use std::{sync::Arc, time::Instant};

use flyte_registration_crd::{EntityType, Reason};
use flyte_registration_proto::flyteidl::admin::{
    LaunchPlanList, LaunchPlanState, LaunchPlanUpdateRequest, LaunchPlanUpdateResponse,
    NamedEntityIdentifier, ResourceListRequest,
};
use tonic::Status;

use super::{
    Shared, Trouble,
    admin::Method,
    classify::{Verdict, classify, trouble},
    patience::{Patience, patiently},
};
use crate::package::Id;

/// Most active versions that one look sees; the next look sees further ones.
const SEEN: u32 = 100;
/// Most looks until one version alone is active.
const LOOKS: u32 = 5;

/// Makes one version the active one. Only for who writes the name alone.
#[derive(Debug)]
pub(super) struct Swap {
    shared: Arc<Shared>,
    id: Id,
    patience: Patience,
}

impl Swap {
    pub(super) fn new(shared: Arc<Shared>, id: Id) -> Self {
        Self {
            shared,
            id,
            patience: Patience::new(0, Instant::now()),
        }
    }

    /// The active versions, the one that changed last first.
    pub(super) async fn active(&self) -> Result<Vec<Id>, Trouble> {
        let request = ResourceListRequest {
            id: Some(NamedEntityIdentifier {
                project: self.id.project.clone(),
                domain: self.id.domain.clone(),
                name: self.id.name.clone(),
                ..NamedEntityIdentifier::default()
            }),
            limit: SEEN,
            filters: format!("eq(state,{})", LaunchPlanState::Active as i32),
            ..ResourceListRequest::default()
        };
        let list: LaunchPlanList = patiently(&self.patience, || {
            self.shared.admin.typed(Method::LIST_LAUNCH_PLANS, &request)
        })
        .await
        .map_err(|status| trouble(Reason::FlyteUnavailable, &status))?;
        let mut active: Vec<_> = list
            .launch_plans
            .into_iter()
            .filter_map(|plan| {
                let closure = plan.closure.unwrap_or_default();
                let id = plan.id.filter(|id| !id.version.is_empty())?;
                let changed = closure.updated_at.unwrap_or_default();
                let is_active = closure.state() == LaunchPlanState::Active;
                is_active.then_some(((changed.seconds, changed.nanos), id.version))
            })
            .collect();
        active.sort();
        Ok(active
            .into_iter()
            .rev()
            .map(|(_, version)| self.version(version))
            .collect())
    }

    /// Makes it the only active version, where `before` are active. When that fails, the one
    /// of those that changed last is activated again.
    pub(super) async fn carry_out(&self, before: &[Id]) -> Result<(), Trouble> {
        for _ in 0..LOOKS {
            if let Err(status) = self.activate(before).await {
                return Err(self.bring_back(before, &status).await);
            }
            // Somebody else may be activating as well, who does not ask us.
            if self.alone().await? {
                return Ok(());
            }
        }
        Err(Trouble {
            reason: Reason::FlyteUnavailable,
            message: "somebody else keeps activating other versions of it".to_owned(),
        })
    }

    async fn activate(&self, before: &[Id]) -> Result<(), Status> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Err(status) = self.set(&self.id, LaunchPlanState::Active).await else {
                return Ok(());
            };
            if !passes(&status) {
                return Err(status);
            }
            // Perhaps only the answer got lost: FlyteAdmin shows it as active after all else.
            if !before.contains(&self.id)
                && let Ok(active) = self.active().await
                && active.contains(&self.id)
            {
                return Ok(());
            }
            match self.patience.wait(attempts, Instant::now(), rand::random()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(status),
            }
        }
    }

    /// Whether it is the only active version after others were deactivated.
    async fn alone(&self) -> Result<bool, Trouble> {
        for _ in 0..LOOKS {
            let active = self.active().await?;
            if !active.contains(&self.id) {
                return Ok(false);
            }
            if active.len() == 1 {
                return Ok(true);
            }
            for other in active.iter().filter(|other| **other != self.id) {
                patiently(&self.patience, || {
                    self.set(other, LaunchPlanState::Inactive)
                })
                .await
                .map_err(|status| trouble(Reason::FlyteUnavailable, &status))?;
            }
        }
        Ok(false)
    }

    /// Activates again what was active, as its schedule may be off, and says how that went.
    async fn bring_back(&self, before: &[Id], status: &Status) -> Trouble {
        let reason = match classify(status.code(), status.message()) {
            Verdict::No(reason) => reason,
            _ => Reason::FlyteUnavailable,
        };
        let message = format!("cannot be activated: {}", trouble(reason, status).message);
        let Some(previous) = before.iter().find(|other| **other != self.id) else {
            return Trouble { reason, message };
        };
        let version = &previous.version;
        // Its own: that of the swap may be used up.
        let patience = Patience::new(0, Instant::now());
        let back = patiently(&patience, || self.set(previous, LaunchPlanState::Active)).await;
        let message = if back.is_ok() {
            format!("{message}; version {version} is active again")
        } else {
            tracing::error!(
                flyte_admin = self.shared.name,
                launch_plan = %previous,
                "could not be activated again: its schedule may not run",
            );
            format!(
                "{message}; version {version} could not be activated again: its schedule may not run"
            )
        };
        Trouble { reason, message }
    }

    async fn set(&self, id: &Id, state: LaunchPlanState) -> Result<(), Status> {
        let request = LaunchPlanUpdateRequest {
            id: Some(id.to_proto(EntityType::LaunchPlan)),
            state: state.into(),
        };
        let answer: Result<LaunchPlanUpdateResponse, _> = self
            .shared
            .admin
            .typed(Method::UPDATE_LAUNCH_PLAN, &request)
            .await;
        answer.map(drop)
    }

    fn version(&self, version: String) -> Id {
        Id {
            version,
            ..self.id.clone()
        }
    }
}

/// Whether the call may succeed in a moment.
fn passes(status: &Status) -> bool {
    classify(status.code(), status.message()) == Verdict::Later
}

//! Activation of launch plans, so that exactly one version of each is active in the end.
//!
//! FlyteAdmin v1.16.8 makes no unit of it: activations that race leave several versions
//! active, and one that fails has switched the running schedule off already, although its
//! version still shows as active.

use std::sync::Arc;

use flyte_registration_crd::{EntityAction, EntityType, Reason};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::{Failure, Registrar, Report, Shared, Trouble, held::is_whole, swap::Swap};
use crate::package::{Chosen, Id, Plan};

/// A launch plan that was activated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activated {
    /// Its name.
    pub name: String,
    /// The version that was active before, if it was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

impl Registrar {
    /// Activates these launch plans of a plan, which `report` is about; leaves it as it is
    /// unless everything is registered. Dropping the future begins nothing more, but what has
    /// begun is ended: half an activation leaves no schedule running.
    pub async fn activate(&self, plan: &Plan, chosen: &[Chosen], mut report: Report) -> Report {
        if report.failure.is_some() {
            return report;
        }
        let all = chosen.iter().filter_map(|chosen| {
            let id = &plan.entities.get(chosen.index)?.id;
            Some(async move { (id, activate(&self.0, id, chosen.scheduled).await) })
        });
        for (id, result) in join_all(all).await {
            note(&mut report, id, result);
        }
        if !chosen.is_empty() {
            tracing::info!(
                flyte_admin = self.0.name,
                project = plan.target.project,
                domain = plan.target.domain,
                version = plan.target.version,
                activated = report.counts.activated,
                failed = report.counts.failed,
                "activation ended",
            );
        }
        report.entities.sort_by_key(|entity| entity.action);
        report
    }
}

async fn activate(shared: &Arc<Shared>, id: &Id, scheduled: bool) -> Result<Activated, Trouble> {
    // FlyteAdmin takes an empty field for any.
    if !is_whole(id) {
        return Err(Trouble {
            reason: Reason::FlyteRejected,
            message: "an id with an empty part is never activated".to_owned(),
        });
    }
    let writer = shared.writers.admit(id).await;
    let swap = Swap::new(Arc::clone(shared), id.clone());
    let active = swap.active().await?;
    let before = active.iter().find(|other| other.version != id.version);
    let activated = Activated {
        name: id.name.clone(),
        before: before.map(|before| before.version.clone()),
    };
    // One with a schedule is activated even so: whether its schedule runs, nobody can see.
    if !scheduled && before.is_none() && !active.is_empty() {
        return Ok(activated);
    }
    let ended = shared.swaps.spawn(async move {
        let result = swap.carry_out(&active).await;
        drop(writer);
        result
    });
    match ended.await {
        Ok(result) => result.map(|()| activated),
        Err(_) => Err(Trouble {
            reason: Reason::FlyteUnavailable,
            message: "the hub failed at the activation; its log says more".to_owned(),
        }),
    }
}

fn note(report: &mut Report, id: &Id, result: Result<Activated, Trouble>) {
    match result {
        Ok(activated) => {
            let before = activated.before.as_ref();
            let message = before.map(|before| format!("version {before} was active before"));
            report.mark(id, EntityAction::Activated, message);
            report.counts.activated += 1;
            report.activations.push(activated);
        }
        Err(trouble) => report.fail(id, trouble),
    }
}

impl Report {
    /// Says what happened to a launch plan after it was registered.
    pub(super) fn mark(&mut self, id: &Id, action: EntityAction, message: Option<String>) {
        let entity = self
            .entities
            .iter_mut()
            .find(|entity| entity.type_ == EntityType::LaunchPlan && entity.name == id.name);
        if let Some(entity) = entity {
            entity.action = action;
            entity.message = message;
        }
    }

    /// Says what failed of a launch plan after it was registered.
    pub(super) fn fail(&mut self, id: &Id, trouble: Trouble) {
        self.counts.failed += 1;
        let told = self.failure.as_ref().map(|failure| failure.reason);
        // What is final is told before what may pass.
        if told.is_none()
            || told == Some(Reason::FlyteUnavailable) && trouble.reason != Reason::FlyteUnavailable
        {
            self.failure = Some(Failure {
                reason: trouble.reason,
                message: format!("launch plan {}: {}", id.name, trouble.message),
            });
        }
        self.mark(id, EntityAction::Failed, Some(trouble.message));
    }
}

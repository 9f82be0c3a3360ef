//! Whether launch plans that were activated still are.

use std::sync::Arc;

use flyte_registration_crd::EntityAction;
use futures::future::join_all;

use super::{Registrar, Report, Shared, Trouble, swap::Swap};
use crate::package::{Chosen, Id, Plan};

impl Registrar {
    /// Notes in `report`, which is about `plan`, which of these launch plans are still active,
    /// and which were superseded. Activates nothing: whoever activated another version meant it.
    pub async fn still_active(&self, plan: &Plan, chosen: &[Chosen], mut report: Report) -> Report {
        if report.failure.is_some() {
            return report;
        }
        let all = chosen.iter().filter_map(|chosen| {
            let id = &plan.entities.get(chosen.index)?.id;
            Some(async move { (id, active(&self.0, id).await) })
        });
        for (id, active) in join_all(all).await {
            match active {
                Ok(active) if active.contains(id) => {
                    report.counts.activated += 1;
                    report.mark(id, EntityAction::Activated, None);
                }
                Ok(active) => report.mark(id, EntityAction::Superseded, Some(now(&active))),
                Err(trouble) => report.fail(id, trouble),
            }
        }
        report.entities.sort_by_key(|entity| entity.action);
        report
    }
}

async fn active(shared: &Arc<Shared>, id: &Id) -> Result<Vec<Id>, Trouble> {
    Swap::new(Arc::clone(shared), id.clone()).active().await
}

fn now(active: &[Id]) -> String {
    match active.first() {
        Some(other) => format!("version {} is active now", other.version),
        None => "no version is active now".to_owned(),
    }
}

//! What registering a plan would come to, as far as reading tells. Writes nothing.
//!
//! FlyteAdmin has no dry run of its own: what its compiler would refuse, such as bindings of
//! another type, shows only when it is registered.

use std::{sync::Arc, time::Instant};

use flyte_registration_crd::{EntityAction, EntityType, Reason};
use futures::{future::join_all, join};

use super::{
    Activated, Comparison, Registrar, Report, Trouble,
    diff::DiffError,
    patience::Patience,
    preflight,
    run::{EXPLANATION_MAX, Outcome},
    swap::Swap,
};
use crate::package::{Chosen, Plan, Planned};

/// What registering a plan would come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// What would be reported.
    pub report: Report,
    /// How each entity of the plan, in its order, stands to what is registered; empty if
    /// FlyteAdmin does not say.
    pub comparisons: Vec<Comparison>,
}

impl Registrar {
    /// Looks what [registering](Self::register_from) a plan and [activating](Self::activate)
    /// these launch plans of it would come to.
    pub async fn foresee(&self, plan: &Plan, chosen: &[Chosen]) -> Forecast {
        let patience = Patience::new(plan.entities.len(), Instant::now());
        let (surroundings, comparisons) = join!(
            preflight::surroundings(&self.0.admin, &self.0.places, plan, &patience),
            self.diff(plan),
        );
        let comparisons = comparisons.map_err(|DiffError(trouble)| trouble);
        // What is missing around the plan explains whatever else goes wrong.
        let trouble = surroundings.err().or(comparisons.as_ref().err().cloned());
        let comparisons = comparisons.unwrap_or_default();
        let report = match trouble {
            Some(trouble) => Report::not_begun(plan, &trouble),
            None => Report::new(plan, outcomes(plan, &comparisons)),
        };
        Forecast {
            report: self.foresee_activation(plan, chosen, report).await,
            comparisons,
        }
    }

    async fn foresee_activation(
        &self,
        plan: &Plan,
        chosen: &[Chosen],
        mut report: Report,
    ) -> Report {
        if report.failure.is_some() {
            return report;
        }
        let looks = chosen.iter().filter_map(|chosen| {
            let id = &plan.entities.get(chosen.index)?.id;
            let swap = Swap::new(Arc::clone(&self.0), id.clone());
            Some(async move { (id, swap.active().await) })
        });
        for (id, active) in join_all(looks).await {
            match active {
                Ok(active) => {
                    let other = active.into_iter().find(|other| other.version != id.version);
                    let now = other.map(|other| other.version);
                    let message = now
                        .as_ref()
                        .map(|now| format!("version {now} is active now"));
                    report.mark(id, EntityAction::Activated, message);
                    report.counts.activated += 1;
                    report.activations.push(Activated {
                        name: id.name.clone(),
                        before: now,
                    });
                }
                Err(trouble) => report.fail(id, trouble),
            }
        }
        report
    }
}

/// What would become of each entity, as [`Run`](super::run::Run) goes about it. Pure.
fn outcomes(plan: &Plan, comparisons: &[Comparison]) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(plan.entities.len());
    for (entity, comparison) in plan.entities.iter().zip(comparisons) {
        let outcome = match (comparison, lost(entity, &outcomes)) {
            (Comparison::Same, None) => Outcome::Unchanged,
            // Lists show that it is the same before anything else is known.
            (Comparison::Same, _) if entity.kind != EntityType::Workflow => Outcome::Unchanged,
            (_, Some(lost)) => Outcome::Skipped(lost),
            (Comparison::Absent, None) => Outcome::Created,
            (Comparison::Other(explanation), None) => Outcome::Failed(Trouble {
                reason: Reason::VersionConflict,
                message: explanation.brief(EXPLANATION_MAX),
            }),
            (Comparison::Unknown, None) => Outcome::Failed(Trouble {
                reason: Reason::FlyteRejected,
                message: "it is registered as something that cannot be compared".to_owned(),
            }),
        };
        outcomes.push(outcome);
    }
    outcomes
}

/// What fails of all that an entity needs in the end, which comes before it.
fn lost(entity: &Planned, before: &[Outcome]) -> Option<usize> {
    entity.needs.iter().find_map(|need| match before[*need] {
        Outcome::Failed(_) => Some(*need),
        Outcome::Skipped(root) => Some(root),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        package::{Id, Target},
        registrar::Explanation,
    };

    /// Tasks, each with what it needs.
    fn plan(needs: &[&[usize]]) -> Plan {
        let planned = |needs: &&[usize]| Planned {
            kind: EntityType::Task,
            id: Id {
                project: "p".to_owned(),
                domain: "d".to_owned(),
                name: "one".to_owned(),
                version: "v".to_owned(),
            },
            request: bytes::Bytes::new(),
            needs: needs.to_vec(),
            uses_code: false,
        };
        Plan {
            target: Target {
                project: "p".to_owned(),
                domain: "d".to_owned(),
                version: "v".to_owned(),
            },
            entities: needs.iter().map(planned).collect(),
            external: Vec::new(),
            code: None,
            create_project: false,
        }
    }

    #[test]
    fn failures_take_along_what_needs_them_and_is_not_there() {
        let plan = plan(&[&[], &[0], &[1], &[0], &[]]);
        let outcomes = outcomes(
            &plan,
            &[
                Comparison::Other(Explanation::default()),
                Comparison::Absent,
                Comparison::Absent,
                Comparison::Same,
                Comparison::Absent,
            ],
        );
        assert!(matches!(outcomes[0], Outcome::Failed(_)));
        assert_eq!(outcomes[1], Outcome::Skipped(0));
        assert_eq!(outcomes[2], Outcome::Skipped(0), "told with the root");
        assert_eq!(outcomes[3], Outcome::Unchanged);
        assert_eq!(outcomes[4], Outcome::Created);
    }
}

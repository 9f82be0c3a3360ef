//! What became of a plan, as the resource's status tells it.

use std::fmt::Write;

use flyte_registration_crd::{Counts, Entity, EntityAction, EntityType, Reason, bounded};

use super::{Activated, Trouble, leftover, run::Outcome};
use crate::package::{Kind, Plan, Planned};

/// Longest message, in bytes.
const MESSAGE_MAX: usize = 1024;
/// What is said of entities that were left for a later time.
const NOT_TRIED: &str = "not tried, as FlyteAdmin fails too often";
/// What is said of conflicts; in what the contents differ follows.
const OTHER_CONTENT: &str = "registered with other content";
/// What helps against a conflict.
const NEW_VERSION: &str = "; register a new version";
/// Bytes of the message that tell in what the contents differ.
const EXPLAINED: usize = 700;
/// Most entities that the message names.
const NAMED: usize = 5;

/// What became of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Every entity of the plan, those that failed first; none if nothing was begun.
    pub entities: Vec<Entity>,
    /// How many of them there are of each kind, and of each outcome.
    pub counts: Counts,
    /// The launch plans that were activated.
    pub activations: Vec<Activated>,
    /// Why not all of it is registered. `None`: it is.
    pub failure: Option<Failure>,
}

/// Why not all of a plan is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The most telling reason: the permanent ones before those that may pass.
    pub reason: Reason,
    /// For people, at most 1 KiB.
    pub message: String,
}

impl Report {
    /// Of a plan whose execution did not begin.
    pub(super) fn not_begun(plan: &Plan, trouble: &Trouble) -> Self {
        Self {
            entities: Vec::new(),
            counts: totals(plan),
            activations: Vec::new(),
            failure: Some(Failure {
                reason: trouble.reason,
                message: bounded(&trouble.message, MESSAGE_MAX),
            }),
        }
    }

    /// Of a plan with these outcomes, one for each of its entities.
    pub(super) fn new(plan: &Plan, outcomes: Vec<Outcome>) -> Self {
        let mut counts = totals(plan);
        for outcome in &outcomes {
            match outcome {
                Outcome::Created | Outcome::Undescribed => counts.created += 1,
                Outcome::Unchanged => counts.unchanged += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Skipped(_) | Outcome::NotTried => {}
            }
        }
        let failure = failure(plan, &outcomes);
        let pairs = plan.entities.iter().zip(outcomes);
        let mut entities: Vec<_> = pairs
            .map(|(planned, outcome)| entity(plan, planned, outcome))
            .collect();
        // Failed, then skipped: the order in which the actions are declared.
        entities.sort_by_key(|entity| entity.action);
        Self {
            entities,
            counts,
            activations: Vec::new(),
            failure,
        }
    }
}

fn totals(plan: &Plan) -> Counts {
    let mut counts = Counts::default();
    for entity in &plan.entities {
        match entity.kind {
            EntityType::Task => counts.tasks += 1,
            EntityType::Workflow => counts.workflows += 1,
            EntityType::LaunchPlan => counts.launch_plans += 1,
        }
    }
    counts
}

fn entity(plan: &Plan, planned: &Planned, outcome: Outcome) -> Entity {
    let (action, message) = match outcome {
        Outcome::Created => (EntityAction::Created, None),
        Outcome::Undescribed => (EntityAction::Created, Some(leftover::TOLD.to_owned())),
        Outcome::Unchanged => (EntityAction::Unchanged, None),
        Outcome::Failed(trouble) => (EntityAction::Failed, Some(told(trouble))),
        Outcome::Skipped(need) => {
            let failed = called(&plan.entities[need]);
            (EntityAction::Skipped, Some(format!("{failed} failed")))
        }
        Outcome::NotTried => (EntityAction::Skipped, Some(NOT_TRIED.to_owned())),
    };
    Entity {
        type_: planned.kind,
        name: planned.id.name.clone(),
        version: planned.id.version.clone(),
        action,
        message,
    }
}

fn told(trouble: Trouble) -> String {
    match trouble.reason {
        Reason::VersionConflict if trouble.message.is_empty() => {
            format!("this version is {OTHER_CONTENT}")
        }
        Reason::VersionConflict => format!("{OTHER_CONTENT}: {}", trouble.message),
        _ => trouble.message,
    }
}

fn called(planned: &Planned) -> String {
    format!("{} {}", Kind(planned.kind), planned.id.name)
}

/// How telling a reason is; the lowest is shown. What was refused for good stays so,
/// whatever else may pass.
pub(super) fn rank(reason: Reason) -> usize {
    const ORDER: [Reason; 7] = [
        Reason::VersionConflict,
        Reason::PackageTooLarge,
        Reason::FlyteRejected,
        Reason::ProjectNotFound,
        Reason::DomainNotFound,
        Reason::ReferenceNotFound,
        Reason::FlyteUnavailable,
    ];
    ORDER
        .iter()
        .position(|one| *one == reason)
        .unwrap_or(ORDER.len())
}

fn failure(plan: &Plan, outcomes: &[Outcome]) -> Option<Failure> {
    let troubles: Vec<(&Planned, &Trouble)> = plan
        .entities
        .iter()
        .zip(outcomes)
        .filter_map(|(planned, outcome)| match outcome {
            Outcome::Failed(trouble) => Some((planned, trouble)),
            _ => None,
        })
        .collect();
    let reasons = troubles.iter().map(|(_, trouble)| trouble.reason);
    let Some(reason) = reasons.min_by_key(|reason| rank(*reason)) else {
        // Whatever stopped it, what was not tried must not pass for registered.
        return outcomes.contains(&Outcome::NotTried).then(|| Failure {
            reason: Reason::FlyteUnavailable,
            message: NOT_TRIED.to_owned(),
        });
    };
    let telling: Vec<_> = troubles
        .iter()
        .filter(|(_, trouble)| trouble.reason == reason)
        .collect();
    let (_, first) = telling.first()?;

    let list = listed(&telling, reason == Reason::VersionConflict);
    let message = match reason {
        Reason::VersionConflict => {
            let version = &plan.target.version;
            let begin = format!("version {version} is {OTHER_CONTENT}: ");
            let room = MESSAGE_MAX.saturating_sub(begin.len() + NEW_VERSION.len());
            format!("{begin}{}{NEW_VERSION}", bounded(&list, room))
        }
        _ => format!("{list}: {}", first.message),
    };
    Some(Failure {
        reason,
        message: bounded(&message, MESSAGE_MAX),
    })
}

/// The first of them by name, `explained` with what each has to say.
fn listed(telling: &[&(&Planned, &Trouble)], explained: bool) -> String {
    let mut list = String::new();
    for (index, (planned, trouble)) in telling.iter().take(NAMED).enumerate() {
        let begin = match (index, explained) {
            (0, _) => "",
            (_, true) => "; ",
            (_, false) => ", ",
        };
        list.push_str(begin);
        list.push_str(&called(planned));
        if explained && !trouble.message.is_empty() {
            list.push_str(": ");
            // All that are named get their share of the message.
            let share = EXPLAINED / telling.len().min(NAMED);
            list.push_str(&bounded(&trouble.message, share));
        }
    }
    if let Some(more) = telling.len().checked_sub(NAMED + 1) {
        // Writing to a string does not fail.
        let _ = write!(list, " and {} more", more + 1);
    }
    list
}

#[cfg(test)]
mod tests;

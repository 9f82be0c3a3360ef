//! Which launch plans of a plan are to be activated.

use std::collections::BTreeSet;

use flyte_registration_crd::EntityType;
use flyte_registration_proto::flyteidl::admin::{
    LaunchPlanCreateRequest, schedule::ScheduleExpression,
};
use prost::Message;

use super::{PackageError, Plan, Planned};

/// Which launch plans are to be activated once everything is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activation {
    /// None of them.
    #[default]
    None,
    /// Those with a schedule.
    Scheduled,
    /// All of them.
    All,
    /// Those of these names.
    Named(BTreeSet<String>),
}

/// A launch plan to be activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its position in [`Plan::entities`].
    pub index: usize,
    /// It has a schedule, which runs from then on.
    pub scheduled: bool,
}

impl Plan {
    /// The launch plans that `activation` means, or what stands against it: all that can be
    /// known before the first write.
    pub fn chosen(&self, activation: &Activation) -> Result<Vec<Chosen>, PackageError> {
        let launch_plans = || {
            let all = self.entities.iter().enumerate();
            all.filter(|(_, entity)| entity.kind == EntityType::LaunchPlan)
        };
        if let Activation::Named(wanted) = activation {
            let held: BTreeSet<&String> = launch_plans().map(|(_, plan)| &plan.id.name).collect();
            let missing = wanted.iter().filter(|name| !held.contains(name));
            let missing: Vec<String> = missing.cloned().collect();
            if !missing.is_empty() {
                return Err(PackageError::LaunchPlanNotFound {
                    wanted: missing,
                    held: held.into_iter().cloned().collect(),
                });
            }
        }
        let mut chosen = Vec::new();
        let mut impossible = Vec::new();
        for (index, planned) in launch_plans() {
            let schedule = Schedule::of(planned);
            let wanted = match activation {
                Activation::None => false,
                Activation::Scheduled => schedule != Schedule::None,
                Activation::All => true,
                Activation::Named(names) => names.contains(&planned.id.name),
            };
            if wanted && schedule == Schedule::Deprecated {
                impossible.push(planned.id.name.clone());
            } else if wanted {
                chosen.push(Chosen {
                    index,
                    scheduled: schedule == Schedule::Usable,
                });
            }
        }
        if impossible.is_empty() {
            Ok(chosen)
        } else {
            Err(PackageError::OldSchedule(impossible))
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schedule {
    /// None, or an empty one, which FlyteAdmin takes for none.
    None,
    Usable,
    /// A `cron_expression`: FlyteAdmin registers it and fails to activate it, with the
    /// schedule that ran before switched off.
    Deprecated,
}

impl Schedule {
    fn of(planned: &Planned) -> Self {
        let expression = LaunchPlanCreateRequest::decode(planned.request.clone())
            .ok()
            .and_then(|request| request.spec?.entity_metadata?.schedule?.schedule_expression);
        match expression {
            Some(ScheduleExpression::CronExpression(text)) if !text.is_empty() => Self::Deprecated,
            Some(ScheduleExpression::CronSchedule(cron)) if !cron.schedule.is_empty() => {
                Self::Usable
            }
            Some(ScheduleExpression::Rate(rate)) if rate.value != 0 => Self::Usable,
            _ => Self::None,
        }
    }
}

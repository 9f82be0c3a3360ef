//! A look at FlyteAdmin before the first write.

use flyte_registration_crd::{EntityType, Reason};
use tonic::Status;

use self::place::Wrong;
use super::{
    Trouble, admin::Admin, classify::trouble, patience::Patience, places::Places, report::rank,
    writers::Writers,
};
use crate::package::Plan;

mod listed;
pub(super) mod place;
mod references;

/// What FlyteAdmin holds under an entity's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It was not asked, or would not say.
    Unknown,
    /// Nothing.
    Absent,
    /// What is planned.
    Same,
    /// Something that is not surely what is planned.
    Other,
    /// A workflow, of which lists tell nothing more.
    Present,
}

/// Looks whether project and domain are there, what of the plan is, and whether all that it
/// refers to is: all at once, and what is wrong is told together. A project that is missing
/// is created if the plan says so and nothing else is wrong.
pub(super) async fn look(
    admin: &Admin,
    places: &Places,
    writers: &Writers,
    plan: &Plan,
    patience: &Patience,
) -> Result<Vec<Found>, Trouble> {
    let look = Look {
        admin,
        plan,
        patience,
    };
    let (place, references, tasks, workflows, launch_plans) = futures::join!(
        places.check(&plan.target, Box::pin(look.place())),
        look.references(),
        look.entities(EntityType::Task),
        look.entities(EntityType::Workflow),
        look.entities(EntityType::LaunchPlan),
    );
    let place = look.wrong(place);
    let create = place == Ok(Project::ToCreate);
    let mut troubles: Vec<_> = place.err().into_iter().chain(references.err()).collect();
    let mut found = vec![Found::Unknown; plan.entities.len()];
    for listed in [tasks, workflows, launch_plans] {
        match listed {
            Ok(listed) => {
                for (index, state) in listed {
                    found[index] = state;
                }
            }
            Err(trouble) => troubles.push(trouble),
        }
    }
    if let Some(trouble) = together(troubles) {
        return Err(trouble);
    }
    if create {
        look.create_project(places, writers).await?;
    }
    Ok(found)
}

/// Looks, for who is to write nothing, whether project and domain are there, or the project
/// would be created, and whether all that the plan refers to is.
pub(super) async fn surroundings(
    admin: &Admin,
    places: &Places,
    plan: &Plan,
    patience: &Patience,
) -> Result<(), Trouble> {
    let look = Look {
        admin,
        plan,
        patience,
    };
    let (place, references) = futures::join!(
        places.check(&plan.target, Box::pin(look.place())),
        look.references(),
    );
    let place = look.wrong(place);
    let troubles = place.err().into_iter().chain(references.err());
    together(troubles.collect()).map_or(Ok(()), Err)
}

struct Look<'a> {
    admin: &'a Admin,
    plan: &'a Plan,
    patience: &'a Patience,
}

/// Whether there is something left to do about the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Project {
    Active,
    ToCreate,
}

impl Look<'_> {
    /// What a look at the place comes to for this plan.
    fn wrong(&self, checked: Result<(), Vec<Wrong>>) -> Result<Project, Trouble> {
        let mut project = Project::Active;
        let mut troubles = Vec::new();
        for wrong in checked.err().unwrap_or_default() {
            match wrong {
                Wrong::NoProject if self.plan.create_project => project = Project::ToCreate,
                wrong => troubles.push(wrong.trouble(&self.plan.target.project)),
            }
        }
        together(troubles).map_or(Ok(project), Err)
    }
}

fn unavailable(status: &Status) -> Trouble {
    trouble(Reason::FlyteUnavailable, status)
}

/// All troubles as one: the most telling first, each said once. `None`: there are none.
fn together(mut troubles: Vec<Trouble>) -> Option<Trouble> {
    troubles.sort_by_key(|trouble| rank(trouble.reason));
    let reason = troubles.first()?.reason;
    let mut messages: Vec<_> = troubles
        .into_iter()
        .map(|trouble| trouble.message)
        .collect();
    messages.dedup();
    Some(Trouble {
        reason,
        message: messages.join("; "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_are_told_together() {
        let trouble = |reason, message: &str| Trouble {
            reason,
            message: message.to_owned(),
        };
        let all = vec![
            trouble(Reason::FlyteUnavailable, "down"),
            trouble(Reason::ReferenceNotFound, "no task"),
            trouble(Reason::DomainNotFound, "no domain"),
            trouble(Reason::FlyteUnavailable, "down"),
        ];
        let together = together(all);
        let expected = trouble(Reason::DomainNotFound, "no domain; no task; down");
        assert_eq!(together, Some(expected));
        assert_eq!(super::together(Vec::new()), None);
    }
}

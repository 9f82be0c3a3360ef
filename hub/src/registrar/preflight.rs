//! A look at FlyteAdmin before the first write.

use std::collections::HashMap;

use bytes::Bytes;
use flyte_registration_crd::{EntityType, Reason};
use flyte_registration_proto::flyteidl::{
    admin::{
        GetDomainRequest, GetDomainsResponse, NamedEntityIdentifier, Project, ProjectGetRequest,
        ResourceListRequest, project::ProjectState,
    },
    descriptor_pool,
};
use prost::Message;
use prost_reflect::DynamicMessage;
use tonic::{Code, Status};

use super::{
    Trouble,
    admin::{Admin, Method},
    classify::{Verdict, classify, trouble},
    compare,
    patience::{Patience, patiently},
    places::Places,
};
use crate::package::{Plan, field, repeated, text};

/// Largest page that is asked for: a few megabytes.
const PAGE_MAX: usize = 1000;
/// Most pages: many packages may share a version such as `latest`.
const PAGES_MAX: usize = 20;

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

/// Looks whether project and domain are there, and what of the plan is, all at once.
pub(super) async fn look(
    admin: &Admin,
    places: &Places,
    plan: &Plan,
    patience: &Patience,
) -> Result<Vec<Found>, Trouble> {
    let look = Look {
        admin,
        plan,
        patience,
    };
    let (place, tasks, workflows, launch_plans) = futures::join!(
        places.check(&plan.target, Box::pin(look.place())),
        look.entities(EntityType::Task),
        look.entities(EntityType::Workflow),
        look.entities(EntityType::LaunchPlan),
    );
    place?;
    let mut found = vec![Found::Unknown; plan.entities.len()];
    for (index, state) in [tasks?, workflows?, launch_plans?].into_iter().flatten() {
        found[index] = state;
    }
    Ok(found)
}

struct Look<'a> {
    admin: &'a Admin,
    plan: &'a Plan,
    patience: &'a Patience,
}

impl Look<'_> {
    async fn place(&self) -> Result<(), Trouble> {
        let (project, domain) = futures::join!(self.project(), self.domain());
        project.and(domain)
    }

    async fn project(&self) -> Result<(), Trouble> {
        let id = &self.plan.target.project;
        let request = ProjectGetRequest {
            id: id.clone(),
            ..ProjectGetRequest::default()
        };
        let missing = |what: &str| Trouble {
            reason: Reason::ProjectNotFound,
            message: format!("project {id} {what}"),
        };
        let answer: Project = patiently(self.patience, || {
            self.admin.typed(Method::GET_PROJECT, &request)
        })
        .await
        .map_err(|status| match status.code() {
            Code::NotFound => missing("does not exist"),
            _ => unavailable(&status),
        })?;
        match answer.state() {
            ProjectState::Active => Ok(()),
            _ => Err(missing("is archived")),
        }
    }

    async fn domain(&self) -> Result<(), Trouble> {
        let id = &self.plan.target.domain;
        let request = GetDomainRequest::default();
        let answer: GetDomainsResponse = patiently(self.patience, || {
            self.admin.typed(Method::GET_DOMAINS, &request)
        })
        .await
        .map_err(|status| unavailable(&status))?;
        if answer.domains.iter().any(|domain| domain.id == *id) {
            return Ok(());
        }
        let all: Vec<_> = answer
            .domains
            .iter()
            .map(|domain| domain.id.as_str())
            .collect();
        Err(Trouble {
            reason: Reason::DomainNotFound,
            message: format!("domain {id} does not exist; there are {}", all.join(", ")),
        })
    }

    /// What is there of one kind, by position in the plan; nothing if FlyteAdmin does not
    /// say it within reasonable bounds, in which case it is asked entity by entity.
    async fn entities(&self, kind: EntityType) -> Result<Vec<(usize, Found)>, Trouble> {
        let entities = self.plan.entities.iter().enumerate();
        let mut wanted: HashMap<&str, usize> = entities
            .filter(|(_, entity)| entity.kind == kind)
            .map(|(index, entity)| (entity.id.name.as_str(), index))
            .collect();
        // Filters are joined by '+', and nothing escapes it.
        if wanted.is_empty() || self.plan.target.version.contains('+') {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let mut token = String::new();
        for _ in 0..PAGES_MAX {
            let request = self.list(wanted.len(), &token);
            let answer = patiently(self.patience, || {
                self.admin.call(Method::list(kind), request.clone())
            })
            .await;
            let page = match answer {
                Ok(bytes) => page(kind, &bytes),
                Err(status) => match classify(status.code(), status.message()) {
                    Verdict::Later | Verdict::Unusable => return Err(unavailable(&status)),
                    _ => None,
                },
            };
            let Some(page) = page else {
                return Ok(Vec::new());
            };
            for item in repeated(&page, list_field(kind)) {
                let name = field(item, "id").map(|id| text(id, "name"));
                if let Some(index) = name.and_then(|name| wanted.remove(name)) {
                    found.push((index, self.compare(kind, index, item)));
                }
            }
            text(&page, "token").clone_into(&mut token);
            if token.is_empty() {
                found.extend(wanted.into_values().map(|index| (index, Found::Absent)));
                return Ok(found);
            }
            if wanted.is_empty() {
                return Ok(found);
            }
        }
        Ok(found)
    }

    fn compare(&self, kind: EntityType, index: usize, held: &DynamicMessage) -> Found {
        if kind == EntityType::Workflow {
            Found::Present
        } else if compare::same(&self.plan.entities[index], held) {
            Found::Same
        } else {
            Found::Other
        }
    }

    fn list(&self, wanted: usize, token: &str) -> Bytes {
        let target = &self.plan.target;
        let request = ResourceListRequest {
            id: Some(NamedEntityIdentifier {
                project: target.project.clone(),
                domain: target.domain.clone(),
                ..NamedEntityIdentifier::default()
            }),
            // A full page has a token to an empty one: room for one more saves that call.
            limit: u32::try_from((wanted + 1).min(PAGE_MAX)).unwrap_or(1),
            token: token.to_owned(),
            filters: format!("eq(version,{})", target.version),
            ..ResourceListRequest::default()
        };
        request.encode_to_vec().into()
    }
}

fn unavailable(status: &Status) -> Trouble {
    trouble(Reason::FlyteUnavailable, status)
}

fn page(kind: EntityType, bytes: &Bytes) -> Option<DynamicMessage> {
    let name = match kind {
        EntityType::Task => "flyteidl.admin.TaskList",
        EntityType::Workflow => "flyteidl.admin.WorkflowList",
        EntityType::LaunchPlan => "flyteidl.admin.LaunchPlanList",
    };
    let descriptor = descriptor_pool().get_message_by_name(name)?;
    DynamicMessage::decode(descriptor, bytes.clone()).ok()
}

fn list_field(kind: EntityType) -> &'static str {
    match kind {
        EntityType::Task => "tasks",
        EntityType::Workflow => "workflows",
        EntityType::LaunchPlan => "launch_plans",
    }
}

//! What is there of a plan, by `FlyteAdmin`'s lists.

use std::collections::HashMap;

use bytes::Bytes;
use flyte_registration_crd::EntityType;
use flyte_registration_proto::flyteidl::{
    admin::{NamedEntityIdentifier, ResourceListRequest},
    descriptor_pool,
};
use prost::Message;
use prost_reflect::DynamicMessage;

use super::{Found, Look, unavailable};
use crate::{
    package::{field, repeated, text},
    registrar::{
        Trouble,
        admin::Method,
        classify::{Verdict, classify},
        compare,
        patience::patiently,
    },
};

/// Largest page that is asked for: a few megabytes.
const PAGE_MAX: usize = 1000;
/// Most pages: many packages may share a version such as `latest`.
const PAGES_MAX: usize = 20;

impl Look<'_> {
    /// What is there of one kind, by position in the plan; nothing if FlyteAdmin does not
    /// say it within reasonable bounds, in which case it is asked entity by entity.
    pub(super) async fn entities(&self, kind: EntityType) -> Result<Vec<(usize, Found)>, Trouble> {
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

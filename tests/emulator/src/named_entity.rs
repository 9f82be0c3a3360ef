//! Names without versions: their metadata, and lists of them.

use std::collections::BTreeSet;

use flyte_registration_proto::flyteidl::{
    admin::{
        NamedEntity, NamedEntityGetRequest, NamedEntityIdentifier, NamedEntityIdentifierList,
        NamedEntityIdentifierListRequest, NamedEntityList, NamedEntityListRequest,
        NamedEntityMetadata, NamedEntityUpdateRequest, NamedEntityUpdateResponse,
    },
    core::ResourceType,
};
use tonic::Code;

use crate::{
    admin::Admin,
    error::{AdminError, Answer},
    list::{self, Cell, Entity},
    store::{self, Key, State},
    validate,
};

/// Longest description of a name, in characters.
const MAX_DESCRIPTION: usize = 300;

type Name = (String, String, String);

impl Admin {
    /// `GetNamedEntity`.
    pub fn get_named_entity(&self, request: &NamedEntityGetRequest) -> Answer<NamedEntity> {
        kind(request.resource_type)?;
        let id = validate::named(request.id.as_ref())?;
        self.read(|state| find(state, request.resource_type(), id))
    }

    /// `UpdateNamedEntity`.
    pub fn update_named_entity(
        &self,
        request: NamedEntityUpdateRequest,
    ) -> Answer<NamedEntityUpdateResponse> {
        let resource_type = request.resource_type();
        kind(request.resource_type)?;
        let id = validate::named(request.id.as_ref())?.clone();
        let metadata = request
            .metadata
            .ok_or_else(|| AdminError::missing("metadata"))?;
        if metadata.state != 0 && entity(resource_type).is_none() {
            let name = resource_type.as_str_name();
            let text = format!("Resource [{name}] cannot have its state updated");
            return Err(AdminError::invalid(text));
        }
        self.write(|state| {
            find(state, resource_type, &id)?;
            if metadata.description.chars().count() > MAX_DESCRIPTION {
                let text = "failed database operation with value too long for type character \
                            varying(300)";
                return Err(AdminError::new(Code::Unknown, text));
            }
            let key = key(&id);
            let same =
                |row: &&mut store::NamedEntity| row.kind == request.resource_type && row.key == key;
            if let Some(row) = state.named_entities.iter_mut().find(same) {
                if !metadata.description.is_empty() {
                    row.description = metadata.description;
                }
                row.state = metadata.state;
            } else {
                state.named_entities.push(store::NamedEntity {
                    kind: request.resource_type,
                    key,
                    description: metadata.description,
                    state: metadata.state,
                });
            }
            Ok(NamedEntityUpdateResponse {})
        })
    }

    /// `ListNamedEntities`.
    pub fn list_named_entities(&self, request: &NamedEntityListRequest) -> Answer<NamedEntityList> {
        validate::required(&request.project, "project")?;
        validate::required(&request.domain, "domain")?;
        kind(request.resource_type)?;
        limit(request.limit)?;
        let hide_generated = "not_like(name,.flytegen%)";
        let text = if request.filters.is_empty() {
            hide_generated
        } else {
            &request.filters
        };
        let filters = list::filters(text, list::NAMED_ENTITY, &[])?;
        let order = list::order(request.sort_by.as_ref(), list::NAMED_ENTITY)?;
        let offset = list::offset(&request.token, " for ListNamedEntities")?;
        if entity(request.resource_type()).is_none() {
            let name = request.resource_type().as_str_name();
            let text = format!("Cannot list entity names for resource type: {name}");
            return Err(AdminError::invalid(text));
        }
        self.read(|state| {
            let all = names(state, request.resource_type()).into_iter();
            let here = all.filter(|(project, domain, _)| {
                *project == request.project && *domain == request.domain
            });
            let cut = (offset, request.limit as usize);
            let name = |row: &Name, _: &str, column: &str| name_cell(row, column);
            // The page is cut before the filters look at it, and filled no more.
            let (names, _) = list::page(here, &[], order.as_ref(), cut, name, list::NAMED_ENTITY)?;
            let rows = names
                .into_iter()
                .map(|name| show(state, request.resource_type(), name));
            let limit = request.limit as usize;
            let (entities, full) =
                list::page(rows, &filters, None, (0, limit), cell, list::NAMED_ENTITY)?;
            let next = offset + entities.len();
            let token = if full.is_empty() {
                full
            } else {
                next.to_string()
            };
            Ok(NamedEntityList { entities, token })
        })
    }

    /// `ListTaskIds`, `ListWorkflowIds` and `ListLaunchPlanIds`.
    pub fn list_ids(
        &self,
        request: &NamedEntityIdentifierListRequest,
        resource_type: ResourceType,
    ) -> Answer<NamedEntityIdentifierList> {
        let plans = resource_type == ResourceType::LaunchPlan;
        let (table, list_name) = match resource_type {
            ResourceType::Task => (list::TASK, " for ListUniqueTaskIdentifiers"),
            ResourceType::Workflow => (list::WORKFLOW, " for ListWorkflowIdentifiers"),
            _ => (list::LAUNCH_PLAN, ""),
        };
        if !plans {
            validate::required(&request.project, "project")?;
            validate::required(&request.domain, "domain")?;
            limit(request.limit)?;
        }
        let order = list::order(request.sort_by.as_ref(), table)?;
        let offset = list::offset(&request.token, list_name)?;
        check_group(order.as_ref(), table, request)?;
        self.read(|state| {
            let part = |want: &str, have: &str| want.is_empty() || want == have;
            let rows = names(state, resource_type)
                .into_iter()
                .filter(|(project, domain, _)| {
                    part(&request.project, project) && part(&request.domain, domain)
                });
            let page = (offset, request.limit as usize);
            let (rows, token) = list::page(
                rows,
                &[],
                order.as_ref(),
                page,
                |row, _, column| name_cell(row, column),
                table,
            )?;
            Ok(NamedEntityIdentifierList {
                entities: rows.into_iter().map(identifier).collect(),
                token,
            })
        })
    }
}

/// The checks that the database layer makes.
fn check_group(
    order: Option<&(String, bool)>,
    table: Entity,
    request: &NamedEntityIdentifierListRequest,
) -> Answer<()> {
    if request.limit == 0 {
        return Err(AdminError::invalid(
            "missing and/or invalid parameters: limit",
        ));
    }
    if request.project.is_empty() && request.domain.is_empty() {
        return Err(AdminError::invalid(
            "missing and/or invalid parameters: filters",
        ));
    }
    match order {
        Some((column, _)) if !["project", "domain", "name"].contains(&column.as_str()) => {
            let text = format!(
                "failed database operation with column \"{}.{column}\" must appear in the GROUP \
                 BY clause or be used in an aggregate function",
                table.table
            );
            Err(AdminError::new(Code::Unknown, text))
        }
        _ => Ok(()),
    }
}

/// A limit must be set.
pub fn limit(limit: u32) -> Answer<()> {
    if limit == 0 {
        Err(AdminError::bad_value("limit"))
    } else {
        Ok(())
    }
}

fn kind(kind: i32) -> Answer<()> {
    match ResourceType::try_from(kind) {
        Ok(ResourceType::Unspecified) | Err(_) => Err(AdminError::bad_value("resource_type")),
        Ok(_) => Ok(()),
    }
}

fn entity(kind: ResourceType) -> Option<Entity> {
    match kind {
        ResourceType::Task => Some(list::TASK),
        ResourceType::Workflow => Some(list::WORKFLOW),
        ResourceType::LaunchPlan => Some(list::LAUNCH_PLAN),
        _ => None,
    }
}

fn names(state: &State, kind: ResourceType) -> BTreeSet<Name> {
    let name = |key: &Key| (key.project.clone(), key.domain.clone(), key.name.clone());
    match kind {
        ResourceType::Task => state.tasks.rows().map(|row| name(&row.key)).collect(),
        ResourceType::Workflow => state.workflows.rows().map(|row| name(&row.key)).collect(),
        _ => state
            .launch_plans
            .rows()
            .map(|row| name(&row.key))
            .collect(),
    }
}

fn key(id: &NamedEntityIdentifier) -> Key {
    Key {
        project: id.project.clone(),
        domain: id.domain.clone(),
        name: id.name.clone(),
        version: String::new(),
    }
}

fn find(state: &State, kind: ResourceType, id: &NamedEntityIdentifier) -> Answer<NamedEntity> {
    if entity(kind).is_none() {
        let name = kind.as_str_name();
        let text = format!("Cannot get NamedEntityMetadata for resource type: {name}");
        return Err(AdminError::invalid(text));
    }
    let name = (id.project.clone(), id.domain.clone(), id.name.clone());
    if !names(state, kind).contains(&name) {
        return Err(AdminError::new(Code::NotFound, "entry not found"));
    }
    Ok(show(state, kind, name))
}

fn show(state: &State, kind: ResourceType, name: Name) -> NamedEntity {
    let id = identifier(name);
    let key = key(&id);
    let row = state
        .named_entities
        .iter()
        .find(|row| row.kind == kind as i32 && row.key == key);
    let row = row.cloned().unwrap_or_default();
    NamedEntity {
        resource_type: kind.into(),
        id: Some(id),
        metadata: Some(NamedEntityMetadata {
            description: row.description,
            state: row.state,
        }),
    }
}

fn identifier((project, domain, name): Name) -> NamedEntityIdentifier {
    NamedEntityIdentifier {
        project,
        domain,
        name,
        org: String::new(),
    }
}

fn name_cell((project, domain, name): &Name, column: &str) -> Cell {
    Cell::Text(match column {
        "project" => project.clone(),
        "domain" => domain.clone(),
        _ => name.clone(),
    })
}

fn cell(row: &NamedEntity, _entity: &str, column: &str) -> Cell {
    let (id, metadata) = (
        row.id.clone().unwrap_or_default(),
        row.metadata.clone().unwrap_or_default(),
    );
    match column {
        "state" => Cell::Int(metadata.state.into()),
        "description" => Cell::Text(metadata.description),
        "resource_type" => Cell::Int(row.resource_type.into()),
        column => name_cell(&(id.project, id.domain, id.name), column),
    }
}

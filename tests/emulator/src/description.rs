//! Descriptions: a table of their own, filled when an entity is first registered.

use flyte_registration_proto::flyteidl::{
    admin::{
        Description, DescriptionEntity, DescriptionEntityList, DescriptionEntityListRequest,
        ObjectGetRequest, SourceCode,
    },
    core::{Identifier, ResourceType},
};
use prost::Message as _;
use tonic::Code;

use crate::{
    admin::Admin,
    error::{AdminError, Answer},
    list::{self, Cell},
    named_entity,
    store::{Key, Row, State},
    validate,
};

/// The row for a request's description; of none there is none.
pub fn row(description: Option<DescriptionEntity>, id: &Identifier) -> Vec<u8> {
    let Some(description) = description else {
        return Vec::new();
    };
    let row = DescriptionEntity {
        id: Some(id.clone()),
        long_description: description
            .long_description
            .or(Some(Description::default())),
        source_code: description.source_code.or(Some(SourceCode::default())),
        short_description: description.short_description,
        tags: Vec::new(),
    };
    row.encode_to_vec()
}

/// The short description of a row.
pub fn short(row: &[u8]) -> String {
    read(row)
        .map(|row| row.short_description)
        .unwrap_or_default()
}

fn read(row: &[u8]) -> Option<DescriptionEntity> {
    if row.is_empty() {
        return None;
    }
    let mut row = DescriptionEntity::decode(row).ok()?;
    if let Some(id) = &mut row.id {
        id.org.clear();
    }
    Some(row)
}

impl Admin {
    /// `GetDescriptionEntity`; without a type it is a task's.
    pub fn get_description_entity(&self, request: ObjectGetRequest) -> Answer<DescriptionEntity> {
        let id = validate::typed(request.id, ResourceType::Task);
        let id = id.ok_or_else(|| AdminError::bad_value("resource_type"))?;
        validate::required(&id.project, "project")?;
        validate::required(&id.domain, "domain")?;
        validate::required(&id.name, "name")?;
        validate::required(&id.version, "version")?;
        let key = Key::of(Some(&id));
        self.read(|state| {
            let row = match id.resource_type() {
                ResourceType::Task => state.tasks.find(&key).map(|row| &row.body.description),
                ResourceType::Workflow => {
                    state.workflows.find(&key).map(|row| &row.body.description)
                }
                _ => None,
            };
            let found = row.and_then(|row| read(row));
            found.ok_or_else(|| AdminError::new(Code::NotFound, "entry not found"))
        })
    }

    /// `ListDescriptionEntities`: of that name, whatever the type.
    pub fn list_description_entities(
        &self,
        request: &DescriptionEntityListRequest,
    ) -> Answer<DescriptionEntityList> {
        let id = validate::named(request.id.as_ref())?;
        named_entity::limit(request.limit)?;
        let table = list::TASK;
        let filters = list::filters(&request.filters, table, &[])?;
        let order = list::order(request.sort_by.as_ref(), table)?;
        let page = (
            list::offset(&request.token, " for ListWorkflows")?,
            request.limit as usize,
        );
        self.read(|state| {
            let rows = all(state).into_iter().filter(|row| {
                let own = row.id.clone().unwrap_or_default();
                (own.project, own.domain, own.name)
                    == (id.project.clone(), id.domain.clone(), id.name.clone())
            });
            let (rows, token) = list::page(rows, &filters, order.as_ref(), page, cell, table)?;
            Ok(DescriptionEntityList {
                description_entities: rows,
                token,
            })
        })
    }
}

fn all(state: &State) -> Vec<DescriptionEntity> {
    fn rows<'a, B: 'a>(
        rows: impl Iterator<Item = &'a Row<B>> + 'a,
        of: fn(&B) -> &[u8],
    ) -> impl Iterator<Item = DescriptionEntity> + 'a {
        rows.filter_map(move |row| read(of(&row.body)))
    }
    let tasks = rows(state.tasks.rows(), |task| &task.description);
    tasks
        .chain(rows(state.workflows.rows(), |workflow| {
            &workflow.description
        }))
        .collect()
}

fn cell(row: &DescriptionEntity, _entity: &str, column: &str) -> Cell {
    let id = row.id.clone().unwrap_or_default();
    Cell::Text(match column {
        "project" => id.project,
        "domain" => id.domain,
        "name" => id.name,
        "version" => id.version,
        "short_description" => row.short_description.clone(),
        _ => return Cell::Null,
    })
}

//! Descriptions: a table of their own, filled when an entity is first registered. Tasks write
//! theirs after their own row, workflows before it (`Create` in `gormimpl/task_repo.go` and
//! `workflow_repo.go`), and each of the two rows for good: what is called a transaction there
//! is not used by the statements in it.

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
    database,
    error::{AdminError, Answer},
    list::{self, Cell},
    named_entity,
    store::{self, Key, Row, State, Table},
    validate,
};

/// Inserts the row for a request's description; of none there is none.
pub fn insert(
    table: &mut Table<store::Description>,
    description: Option<DescriptionEntity>,
    id: &Identifier,
) -> Answer<()> {
    let Some(description) = description else {
        return Ok(());
    };
    let key = Key::of(Some(id));
    if table.find(&key).is_some() {
        return Err(database::taken("description_entities_pkey"));
    }
    let link = description.source_code.as_ref();
    database::texts([
        description.short_description.as_str(),
        link.map_or("", |code| &code.link),
    ])?;
    let row = DescriptionEntity {
        id: Some(id.clone()),
        long_description: description
            .long_description
            .or(Some(Description::default())),
        source_code: description.source_code.or(Some(SourceCode::default())),
        short_description: description.short_description,
        tags: Vec::new(),
    };
    let entity = row.encode_to_vec();
    table.insert(key, String::new(), store::Description { entity });
    Ok(())
}

/// The column that tasks and workflows have of their own.
pub fn short(description: Option<&DescriptionEntity>) -> String {
    description
        .map(|description| description.short_description.clone())
        .unwrap_or_default()
}

fn read(row: &Row<store::Description>) -> Option<DescriptionEntity> {
    let mut row = DescriptionEntity::decode(row.body.entity.as_slice()).ok()?;
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
                ResourceType::Task => state.task_descriptions.find(&key),
                ResourceType::Workflow => state.workflow_descriptions.find(&key),
                _ => None,
            };
            let found = row.and_then(read);
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
    let tasks = state.task_descriptions.rows();
    tasks
        .chain(state.workflow_descriptions.rows())
        .filter_map(read)
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

//! Tasks.

use flyte_registration_proto::flyteidl::{
    admin,
    core::{self, ResourceType, task_template::Target},
};
use prost::Message as _;
use prost_reflect::DynamicMessage;
use tonic::Code;

use crate::{
    admin::Admin,
    database, description, diff, digest,
    dynamic::{self, Fields as _},
    error::{AdminError, Answer},
    faults::Mishap,
    list::{self, Cell},
    named_entity, resources,
    store::{self, Key, Row, State},
    validate,
};

const TASK_CLOSURE: &str = "flyteidl.admin.TaskClosure";

impl Admin {
    /// `CreateTask`.
    pub fn create_task(
        &self,
        raw: &DynamicMessage,
        mishap: Option<Mishap>,
    ) -> Answer<DynamicMessage> {
        let request: admin::TaskCreateRequest = dynamic::typed(raw)?;
        self.write(|state| {
            let id = self.check_task(state, &request)?;
            let compiled = compiled(raw)?;
            let spec = request.spec.unwrap_or_default();
            let template = spec.template.unwrap_or_default();
            resources::compile(&template)?;
            let digest = digest::of(&compiled)?;
            let key = Key::of(Some(&id));
            if let Some(existing) = state.tasks.find(&key) {
                return Err(conflict(&id, existing, &digest, &compiled)?);
            }
            database::key(&key, "tasks_pkey")?;
            let short_description = description::short(spec.description.as_ref());
            database::texts([short_description.as_str()])?;
            let mut closure = dynamic::empty(TASK_CLOSURE);
            closure.put_message("compiled_task", compiled);
            let task = store::Task {
                closure: dynamic::bytes(&closure),
                kind: template.r#type,
                short_description,
            };
            state.tasks.insert(key, digest, task);
            if mishap == Some(Mishap::HalfDone) {
                return Err(database::shut_down());
            }
            let described =
                description::insert(&mut state.task_descriptions, spec.description, &id);
            described.map_err(|error| match error.code {
                // Any row that is there already is taken for the task's, which then is
                // compared: with what was inserted just now.
                Code::AlreadyExists => identical(),
                _ => error,
            })?;
            Ok(dynamic::empty("flyteidl.admin.TaskCreateResponse"))
        })
    }

    fn check_task(
        &self,
        state: &State,
        request: &admin::TaskCreateRequest,
    ) -> Answer<core::Identifier> {
        let id = validate::identifier(request.id.as_ref(), ResourceType::Task)?;
        let domains = &self.settings.domains;
        validate::project_and_domain(state, domains, &id.project, &id.domain)?;
        let template = request
            .spec
            .as_ref()
            .and_then(|spec| spec.template.as_ref());
        let template = template.ok_or_else(|| AdminError::missing("spec"))?;
        validate::required(&template.r#type, "type")?;
        let metadata = template.metadata.as_ref();
        let metadata = metadata.ok_or_else(|| AdminError::missing("metadata"))?;
        if let Some(runtime) = &metadata.runtime {
            validate::required(&runtime.version, "runtime version")?;
        }
        if template.interface.is_none() {
            return Err(AdminError::missing("typed interface"));
        }
        match &template.target {
            Some(Target::Container(container)) => {
                validate::required(&container.image, "image")?;
                let task = template.id.as_ref();
                resources::container(container, task, &self.settings.limits)?;
            }
            Some(Target::K8sPod(pod)) => {
                resources::pod(pod, template.id.as_ref(), &self.settings.limits)?;
            }
            Some(Target::Sql(_)) | None => {}
        }
        Ok(id.clone())
    }

    /// `GetTask`, which validates nothing: empty fields match anything.
    pub fn get_task(&self, request: &admin::ObjectGetRequest) -> Answer<DynamicMessage> {
        let key = Key::of(request.id.as_ref());
        self.read(|state| {
            let row = state
                .tasks
                .find(&key)
                .ok_or_else(|| missing("TASK", &key))?;
            show(row)
        })
    }

    /// `ListTasks`.
    pub fn list_tasks(&self, request: &admin::ResourceListRequest) -> Answer<DynamicMessage> {
        let query = resource_query(request, list::TASK, &[], " for ListTasks")?;
        self.read(|state| {
            let rows = state.tasks.rows().filter(|row| query.names(&row.key));
            let (rows, token) = query.page(rows, |row, _, column| cell(row, column), list::TASK)?;
            let tasks: Answer<Vec<_>> = rows.into_iter().map(show).collect();
            let mut answer = dynamic::empty("flyteidl.admin.TaskList");
            dynamic::put_list(&mut answer, "tasks", tasks?);
            answer.put("token", prost_reflect::Value::String(token));
            Ok(answer)
        })
    }
}

/// No row of this key.
pub fn missing(kind: &str, key: &Key) -> AdminError {
    let text = format!(
        "missing entity of type {kind} with identifier {}",
        key.text()
    );
    AdminError::new(Code::NotFound, text)
}

/// The template with the request's identifier, as it is stored.
fn compiled(raw: &DynamicMessage) -> Answer<DynamicMessage> {
    let template = raw
        .message("spec")
        .and_then(|spec| spec.message("template"));
    let mut template = template
        .cloned()
        .ok_or_else(|| AdminError::missing("spec"))?;
    if let Some(id) = raw.message("id") {
        template.put_message("id", id.clone());
    }
    let mut compiled = dynamic::empty("flyteidl.core.CompiledTask");
    compiled.put_message("template", template);
    Ok(compiled)
}

fn identical() -> AdminError {
    let text = "task with identical structure already exists";
    AdminError::new(Code::AlreadyExists, text)
}

fn conflict(
    id: &core::Identifier,
    existing: &Row<store::Task>,
    digest: &str,
    new: &DynamicMessage,
) -> Answer<AdminError> {
    if existing.digest == digest {
        return Ok(identical());
    }
    let closure = dynamic::decode(TASK_CLOSURE, &existing.body.closure)?;
    let old = closure.message("compiled_task").cloned();
    let lines = old.map(|old| diff::lines(&old, new)).unwrap_or_default();
    Ok(AdminError::invalid(format!(
        "{} task with different structure already exists. (Please register a new version of the \
         task):\n{lines}",
        id.name
    )))
}

/// The compiled task of a row, as a workflow's closure takes it.
pub fn compiled_of(row: &Row<store::Task>) -> Answer<DynamicMessage> {
    let closure = dynamic::decode(TASK_CLOSURE, &row.body.closure)?;
    let compiled = closure.message("compiled_task").cloned();
    compiled.ok_or_else(|| AdminError::new(Code::Internal, "a stored task without a template"))
}

fn show(row: &Row<store::Task>) -> Answer<DynamicMessage> {
    let mut closure = dynamic::decode(TASK_CLOSURE, &row.body.closure)?;
    closure.put_message("created_at", dynamic::timestamp(row.created)?);
    let head = admin::Task {
        id: Some(row.key.identifier(ResourceType::Task)),
        closure: None,
        short_description: row.body.short_description.clone(),
    };
    let mut task = dynamic::decode("flyteidl.admin.Task", &head.encode_to_vec())?;
    task.put_message("closure", closure);
    Ok(task)
}

fn cell(row: &Row<store::Task>, column: &str) -> Cell {
    match column {
        "type" => Cell::Text(row.body.kind.clone()),
        "short_description" => Cell::Text(row.body.short_description.clone()),
        column => base_cell(row, column),
    }
}

/// The columns that the three tables share.
pub fn base_cell<B>(row: &Row<B>, column: &str) -> Cell {
    match column {
        "id" => Cell::Int(i64::try_from(row.id).unwrap_or(i64::MAX)),
        "created_at" => Cell::Time(row.created),
        "updated_at" => Cell::Time(row.updated),
        "project" => Cell::Text(row.key.project.clone()),
        "domain" => Cell::Text(row.key.domain.clone()),
        "name" => Cell::Text(row.key.name.clone()),
        "version" => Cell::Text(row.key.version.clone()),
        _ => Cell::Null,
    }
}

/// A checked `ResourceListRequest`.
#[derive(Debug)]
pub struct ResourceQuery {
    key: Key,
    filters: Vec<list::Filter>,
    order: Option<(String, bool)>,
    page: (usize, usize),
}

/// Checks the request of a list of rows.
pub fn resource_query(
    request: &admin::ResourceListRequest,
    entity: list::Entity,
    joined: &[list::Entity],
    list_name: &str,
) -> Answer<ResourceQuery> {
    let id = request
        .id
        .as_ref()
        .ok_or_else(|| AdminError::missing("id"))?;
    validate::required(&id.project, "project")?;
    validate::required(&id.domain, "domain")?;
    named_entity::limit(request.limit)?;
    Ok(ResourceQuery {
        key: Key {
            project: id.project.clone(),
            domain: id.domain.clone(),
            name: id.name.clone(),
            version: String::new(),
        },
        filters: list::filters(&request.filters, entity, joined)?,
        order: list::order(request.sort_by.as_ref(), entity)?,
        page: (
            list::offset(&request.token, list_name)?,
            request.limit as usize,
        ),
    })
}

impl ResourceQuery {
    /// Of that project and domain, and of that name if one is given.
    pub fn names(&self, key: &Key) -> bool {
        key.project == self.key.project
            && key.domain == self.key.domain
            && (self.key.name.is_empty() || key.name == self.key.name)
    }

    /// The rows of the page and the next token.
    pub fn page<R>(
        &self,
        rows: impl Iterator<Item = R>,
        cell: impl Fn(&R, &str, &str) -> Cell,
        entity: list::Entity,
    ) -> Answer<(Vec<R>, String)> {
        list::page(
            rows,
            &self.filters,
            self.order.as_ref(),
            self.page,
            cell,
            entity,
        )
    }
}

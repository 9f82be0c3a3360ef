//! Workflows.

use flyte_registration_proto::flyteidl::{
    admin::{self, CreateWorkflowFailureReason, create_workflow_failure_reason::Reason},
    core::{self, Identifier, ResourceType},
};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};
use tonic::Code;

use crate::{
    admin::Admin,
    closures::Reference,
    compile::{self, Loaded, Plan, errors::Errors, requirements},
    database, description, diff, digest,
    dynamic::{self, Fields as _},
    error::{AdminError, Answer},
    faults::Mishap,
    golang::text,
    list::{self, Cell},
    store::{self, Key, Row, State},
    task, validate,
};

const CLOSURE: &str = "flyteidl.admin.WorkflowClosure";
/// The start and the end node are not the user's.
const SYSTEM_NODES: usize = 2;

impl Admin {
    /// `CreateWorkflow`. The closure is written before its rows, and whoever loses the race
    /// for these has overwritten the winner's closure (`CreateWorkflow` in
    /// `workflow_manager.go`).
    pub fn create_workflow(
        &self,
        raw: &DynamicMessage,
        mishap: Option<Mishap>,
    ) -> Answer<DynamicMessage> {
        let request: admin::WorkflowCreateRequest = dynamic::typed(raw)?;
        self.write(|state| {
            let id = self.check_workflow(state, &request)?;
            let spec = request.spec.unwrap_or_default();
            let compiled = compiled(state, raw, &spec).map_err(|error| {
                AdminError::invalid(format!(
                    "failed to compile workflow for [{}] with err: {}",
                    text::identifier(Some(&id)),
                    error.message
                ))
            })?;
            self.check_size(&id, &compiled)?;
            let digest = digest::of(&compiled)?;
            let key = Key::of(Some(&id));
            let existing = state.workflows.find(&key);
            if let Some(existing) = existing.filter(|_| mishap != Some(Mishap::Raced)) {
                return Err(conflict(id, existing, &digest, &compiled)?);
            }
            let storage = self.settings.storage.as_ref();
            let reference = Reference::of(&key, storage)?;
            database::key(&key, "workflows_pkey")?;
            let interface = spec.template.unwrap_or_default().interface;
            let mut closure = dynamic::empty(CLOSURE);
            closure.put_message("compiled_workflow", compiled);
            state.write_closure(&reference, storage, dynamic::bytes(&closure));
            let workflow = store::Workflow {
                closure: reference,
                interface: interface.unwrap_or_default().encode_to_vec(),
                short_description: description::short(spec.description.as_ref()),
            };
            description::insert(&mut state.workflow_descriptions, spec.description, &id)?;
            if mishap == Some(Mishap::HalfDone) {
                return Err(database::shut_down());
            }
            if state.workflows.find(&key).is_some() {
                return Err(database::taken("workflows_pkey"));
            }
            state.workflows.insert(key, digest, workflow);
            Ok(dynamic::empty("flyteidl.admin.WorkflowCreateResponse"))
        })
    }

    fn check_workflow(
        &self,
        state: &State,
        request: &admin::WorkflowCreateRequest,
    ) -> Answer<Identifier> {
        let id = validate::identifier(request.id.as_ref(), ResourceType::Workflow)?;
        let domains = &self.settings.domains;
        validate::project_and_domain(state, domains, &id.project, &id.domain)?;
        let template = request
            .spec
            .as_ref()
            .and_then(|spec| spec.template.as_ref());
        template.ok_or_else(|| AdminError::missing("spec"))?;
        Ok(id.clone())
    }

    fn check_size(&self, id: &Identifier, compiled: &DynamicMessage) -> Answer<()> {
        let template = compiled
            .message("primary")
            .and_then(|primary| primary.message("template"));
        let nodes = template.map_or(0, |template| template.list("nodes").len());
        let (nodes, most) = (
            nodes.saturating_sub(SYSTEM_NODES),
            self.settings.limits.workflow_nodes,
        );
        if nodes > most {
            let id = text::identifier(Some(id));
            let text =
                format!("number of nodes in workflow [{id}] exceeds limit ({nodes} > {most})");
            return Err(AdminError::invalid(text));
        }
        Ok(())
    }

    /// `GetWorkflow`.
    pub fn get_workflow(&self, request: admin::ObjectGetRequest) -> Answer<DynamicMessage> {
        let id = validate::typed(request.id, ResourceType::Workflow);
        let id = validate::identifier(id.as_ref(), ResourceType::Workflow)?;
        let key = Key::of(Some(id));
        self.read(|state| {
            let row = state.workflows.find(&key);
            let row = row.ok_or_else(|| task::missing("WORKFLOW", &key))?;
            let storage = self.settings.storage.as_ref();
            let closure = state.closure(&row.body.closure, storage)?;
            show(row, dynamic::decode(CLOSURE, closure)?)
        })
    }

    /// `ListWorkflows`: of the closure only the interface.
    pub fn list_workflows(&self, request: &admin::ResourceListRequest) -> Answer<DynamicMessage> {
        let query = task::resource_query(request, list::WORKFLOW, &[], " for ListWorkflows")?;
        self.read(|state| {
            let rows = state.workflows.rows().filter(|row| query.names(&row.key));
            let (rows, token) =
                query.page(rows, |row, _, column| cell(row, column), list::WORKFLOW)?;
            let workflows: Answer<Vec<_>> = rows.into_iter().map(show_interface).collect();
            let mut answer = dynamic::empty("flyteidl.admin.WorkflowList");
            dynamic::put_list(&mut answer, "workflows", workflows?);
            answer.put("token", Value::String(token));
            Ok(answer)
        })
    }
}

fn compiled(
    state: &State,
    raw: &DynamicMessage,
    spec: &admin::WorkflowSpec,
) -> Answer<DynamicMessage> {
    let primary = spec.template.clone().unwrap_or_default();
    let index = requirements::index(&spec.sub_workflows)?;
    // What is missing among the embedded ones is the compiler's to tell.
    let needs = requirements::of(
        &primary,
        &spec.sub_workflows,
        &index,
        &mut Errors::default(),
    )?;
    let mut loaded = Loaded::default();
    for id in needs.tasks {
        let key = Key::of(Some(&id));
        let row = state
            .tasks
            .find(&key)
            .ok_or_else(|| task::missing("TASK", &key))?;
        loaded.tasks.push(task::compiled_of(row)?);
    }
    for id in needs.plans {
        let key = Key::of(Some(&id));
        let row = state.launch_plans.find(&key);
        let row = row.ok_or_else(|| task::missing("LAUNCH_PLAN", &key))?;
        let closure = admin::LaunchPlanClosure::decode(row.body.closure.as_slice());
        let closure = closure.unwrap_or_default();
        let plan = Plan {
            inputs: closure.expected_inputs.unwrap_or_default(),
            outputs: closure.expected_outputs.unwrap_or_default(),
        };
        loaded.plans.insert(text::identifier(Some(&id)), plan);
    }
    let raw_spec = raw.message("spec");
    let template = raw_spec.and_then(|spec| spec.message("template")).cloned();
    let mut template = template.ok_or_else(|| AdminError::missing("spec"))?;
    if let Some(id) = raw.message("id") {
        template.put_message("id", id.clone());
    }
    let subs = raw_spec
        .map(|spec| spec.list("sub_workflows"))
        .unwrap_or_default();
    let subs = subs.iter().filter_map(Value::as_message).cloned().collect();
    compile::workflow(template, subs, loaded)
}

fn conflict(
    id: Identifier,
    existing: &Row<store::Workflow>,
    digest: &str,
    new: &DynamicMessage,
) -> Answer<AdminError> {
    let reason = |reason| CreateWorkflowFailureReason {
        reason: Some(reason),
    };
    let name = "CreateWorkflowFailureReason";
    if existing.digest == digest {
        let text = "workflow with identical structure already exists";
        let detail = reason(Reason::ExistsIdenticalStructure(
            admin::WorkflowErrorExistsIdenticalStructure { id: Some(id) },
        ));
        return Ok(AdminError::new(Code::AlreadyExists, text).with_detail(name, &detail));
    }
    let text = format!(
        "{} workflow with different structure already exists. (Please register a new version of \
         the workflow):\n{}",
        id.name,
        diff::lines(&closure_of_row(existing)?, new)
    );
    let detail = reason(Reason::ExistsDifferentStructure(
        admin::WorkflowErrorExistsDifferentStructure { id: Some(id) },
    ));
    Ok(AdminError::invalid(text).with_detail(name, &detail))
}

/// What the database row knows of the closure: the rest is in the blob store, and the
/// real server does not look there when it compares.
fn closure_of_row(row: &Row<store::Workflow>) -> Answer<DynamicMessage> {
    let interface = dynamic::decode("flyteidl.core.TypedInterface", &row.body.interface)?;
    let mut template = dynamic::empty("flyteidl.core.WorkflowTemplate");
    template.put_message("interface", interface);
    let mut compiled = dynamic::empty("flyteidl.core.CompiledWorkflow");
    compiled.put_message("template", template);
    let mut closure = dynamic::empty("flyteidl.core.CompiledWorkflowClosure");
    closure.put_message("primary", compiled);
    Ok(closure)
}

fn show_interface(row: &Row<store::Workflow>) -> Answer<DynamicMessage> {
    let mut closure = dynamic::empty(CLOSURE);
    closure.put_message("compiled_workflow", closure_of_row(row)?);
    show(row, closure)
}

fn show(row: &Row<store::Workflow>, mut closure: DynamicMessage) -> Answer<DynamicMessage> {
    closure.put_message("created_at", dynamic::timestamp(row.created)?);
    let head = admin::Workflow {
        id: Some(row.key.identifier(ResourceType::Workflow)),
        closure: None,
        short_description: row.body.short_description.clone(),
    };
    let mut workflow = dynamic::untyped("flyteidl.admin.Workflow", &head)?;
    workflow.put_message("closure", closure);
    Ok(workflow)
}

/// The interface that a launch plan of the workflow must fit.
pub fn interface(row: &Row<store::Workflow>) -> core::TypedInterface {
    core::TypedInterface::decode(row.body.interface.as_slice()).unwrap_or_default()
}

/// A column of the table.
pub fn cell(row: &Row<store::Workflow>, column: &str) -> Cell {
    match column {
        "short_description" => Cell::Text(row.body.short_description.clone()),
        column => task::base_cell(row, column),
    }
}

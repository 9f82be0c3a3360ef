//! Launch plans.

pub mod activate;
pub mod cron;
pub mod inputs;
pub mod schedule;

use flyte_registration_proto::flyteidl::{
    admin::{self, LaunchPlanState},
    core::{self, ResourceType},
};
use prost_reflect::{DynamicMessage, Value};
use tonic::Code;

use crate::{
    admin::Admin,
    database, diff, digest,
    dynamic::{self, Fields as _},
    error::{AdminError, Answer},
    faults::Mishap,
    list::{self, Cell},
    named_entity,
    store::{self, Key, Row, State},
    task, validate, workflow,
};

const SPEC: &str = "flyteidl.admin.LaunchPlanSpec";
const CLOSURE: &str = "flyteidl.admin.LaunchPlanClosure";

impl Admin {
    /// `CreateLaunchPlan`. The workflow is looked for before anything else.
    pub fn create_launch_plan(
        &self,
        raw: &DynamicMessage,
        mishap: Option<Mishap>,
    ) -> Answer<DynamicMessage> {
        let request: admin::LaunchPlanCreateRequest = dynamic::typed(raw)?;
        self.write(|state| {
            let workflow_id = request
                .spec
                .as_ref()
                .and_then(|spec| spec.workflow_id.as_ref());
            let workflow_id = validate::identifier(workflow_id, ResourceType::Workflow)?;
            let workflow_key = Key::of(Some(workflow_id));
            let row = state.workflows.find(&workflow_key);
            let row = row.ok_or_else(|| task::missing("WORKFLOW", &workflow_key))?;
            let interface = workflow::interface(row);
            let id = validate::identifier(request.id.as_ref(), ResourceType::LaunchPlan)?;
            let domains = &self.settings.domains;
            validate::project_and_domain(state, domains, &id.project, &id.domain)?;
            let spec = request.spec.clone().unwrap_or_default();
            let raw_spec = raw
                .message("spec")
                .cloned()
                .unwrap_or_else(|| dynamic::empty(SPEC));
            let spec_message = checked(&spec, raw_spec, interface.inputs.as_ref())?;

            let closure = closure(&spec_message, interface.outputs.as_ref())?;
            let mut plan = dynamic::empty("flyteidl.admin.LaunchPlan");
            if let Some(id) = raw.message("id") {
                plan.put_message("id", id.clone());
            }
            plan.put_message("spec", spec_message.clone());
            plan.put_message("closure", closure.clone());
            let digest = digest::of(&plan)?;
            let key = Key::of(Some(id));
            if let Some(existing) = state.launch_plans.find(&key) {
                return Err(match mishap {
                    Some(Mishap::Raced) => database::taken("launch_plans_pkey"),
                    _ => conflict(id, existing, &digest, &spec_message)?,
                });
            }
            database::key(&key, "launch_plans_pkey")?;
            let body = store::LaunchPlan {
                spec: dynamic::bytes(&spec_message),
                closure: dynamic::bytes(&closure),
                state: LaunchPlanState::Inactive.into(),
                workflow: workflow_key,
                schedule_type: schedule::kind(&spec).to_owned(),
                schedule_active: None,
            };
            state.launch_plans.insert(key, digest, body);
            Ok(dynamic::empty("flyteidl.admin.LaunchPlanCreateResponse"))
        })
    }

    /// `GetLaunchPlan`.
    pub fn get_launch_plan(&self, request: admin::ObjectGetRequest) -> Answer<DynamicMessage> {
        let id = validate::typed(request.id, ResourceType::LaunchPlan);
        let id = validate::identifier(id.as_ref(), ResourceType::LaunchPlan)?;
        let key = Key::of(Some(id));
        self.read(|state| {
            let row = state.launch_plans.find(&key);
            show(row.ok_or_else(|| task::missing("LAUNCH_PLAN", &key))?)
        })
    }

    /// `GetActiveLaunchPlan`.
    pub fn get_active_launch_plan(
        &self,
        request: &admin::ActiveLaunchPlanRequest,
    ) -> Answer<DynamicMessage> {
        let id = request.id.clone().unwrap_or_default();
        let id = validate::named(Some(&id))?;
        self.read(|state| {
            let here = |row: &&Row<store::LaunchPlan>| {
                let key = &row.key;
                key.project == id.project && key.domain == id.domain && key.name == id.name
            };
            let row = active(state).find(here).ok_or_else(|| {
                let name = format!("{}:{}:{}", id.project, id.domain, id.name);
                let text = format!("No active launch plan could be found: {name}");
                AdminError::new(Code::NotFound, text)
            })?;
            show(row)
        })
    }

    /// `ListLaunchPlans`.
    pub fn list_launch_plans(
        &self,
        request: &admin::ResourceListRequest,
    ) -> Answer<DynamicMessage> {
        let joined = [list::WORKFLOW];
        let query =
            task::resource_query(request, list::LAUNCH_PLAN, &joined, " for ListLaunchPlans")?;
        self.read(|state| {
            let rows = state
                .launch_plans
                .rows()
                .filter(|row| query.names(&row.key));
            let cell = |row: &&Row<store::LaunchPlan>, entity: &str, column: &str| {
                cell(state, row, entity, column)
            };
            answer(query.page(rows, cell, list::LAUNCH_PLAN)?)
        })
    }

    /// `ListActiveLaunchPlans`.
    pub fn list_active_launch_plans(
        &self,
        request: &admin::ActiveLaunchPlanListRequest,
    ) -> Answer<DynamicMessage> {
        validate::required(&request.project, "project")?;
        validate::required(&request.domain, "domain")?;
        named_entity::limit(request.limit)?;
        let order = list::order(request.sort_by.as_ref(), list::LAUNCH_PLAN)?;
        let offset = list::offset(&request.token, " for ListActiveLaunchPlans")?;
        self.read(|state| {
            let here = |row: &&Row<store::LaunchPlan>| {
                row.key.project == request.project && row.key.domain == request.domain
            };
            let cell = |row: &&Row<store::LaunchPlan>, entity: &str, column: &str| {
                cell(state, row, entity, column)
            };
            let (rows, page) = (active(state).filter(here), (offset, request.limit as usize));
            answer(list::page(
                rows,
                &[],
                order.as_ref(),
                page,
                cell,
                list::LAUNCH_PLAN,
            )?)
        })
    }
}

/// Active rows.
fn active(state: &State) -> impl Iterator<Item = &Row<store::LaunchPlan>> {
    let active = LaunchPlanState::Active as i32;
    state
        .launch_plans
        .rows()
        .filter(move |row| row.body.state == active)
}

/// The spec as it is stored: with all inputs that the workflow leaves open.
fn checked(
    spec: &admin::LaunchPlanSpec,
    mut raw: DynamicMessage,
    workflow_inputs: Option<&core::VariableMap>,
) -> Answer<DynamicMessage> {
    validate::labels(spec.labels.as_ref())?;
    inputs::check(spec)?;
    let expected = inputs::expected(spec, &raw, workflow_inputs)?;
    let typed: core::ParameterMap = dynamic::typed(&expected)?;
    schedule::check(spec, &typed)?;
    raw.put_message("default_inputs", expected);
    let metadata = spec.entity_metadata.clone().unwrap_or_default();
    schedule::notifications(&metadata.notifications)?;
    if let Some(conditions) = &metadata.launch_conditions {
        let conditions = dynamic::untyped("google.protobuf.Any", conditions)?;
        let text = crate::golang::text::message(&conditions);
        return Err(AdminError::invalid(format!(
            "Launch condition must be empty, found {text}"
        )));
    }
    Ok(raw)
}

fn closure(spec: &DynamicMessage, outputs: Option<&core::VariableMap>) -> Answer<DynamicMessage> {
    let mut closure = dynamic::empty(CLOSURE);
    if let Some(inputs) = spec.message("default_inputs") {
        closure.put_message("expected_inputs", inputs.clone());
    }
    if let Some(outputs) = outputs {
        let outputs = dynamic::untyped("flyteidl.core.VariableMap", outputs)?;
        closure.put_message("expected_outputs", outputs);
    }
    Ok(closure)
}

fn conflict(
    id: &core::Identifier,
    existing: &Row<store::LaunchPlan>,
    digest: &str,
    new: &DynamicMessage,
) -> Answer<AdminError> {
    if existing.digest == digest {
        let text = "launch plan with identical structure already exists";
        return Ok(AdminError::new(Code::AlreadyExists, text));
    }
    let old = dynamic::decode(SPEC, &existing.body.spec)?;
    Ok(AdminError::invalid(format!(
        "{} launch plan with different structure already exists. (Please register a new version \
         of the launch plan):\n{}",
        id.name,
        diff::lines(&old, new)
    )))
}

fn show(row: &Row<store::LaunchPlan>) -> Answer<DynamicMessage> {
    let mut closure = dynamic::decode(CLOSURE, &row.body.closure)?;
    closure.put("state", Value::EnumNumber(row.body.state));
    closure.put_message("created_at", dynamic::timestamp(row.created)?);
    closure.put_message("updated_at", dynamic::timestamp(row.updated)?);
    let id = row.key.identifier(ResourceType::LaunchPlan);
    let mut plan = dynamic::empty("flyteidl.admin.LaunchPlan");
    plan.put_message("id", dynamic::untyped("flyteidl.core.Identifier", &id)?);
    plan.put_message("spec", dynamic::decode(SPEC, &row.body.spec)?);
    plan.put_message("closure", closure);
    Ok(plan)
}

fn answer((rows, token): (Vec<&Row<store::LaunchPlan>>, String)) -> Answer<DynamicMessage> {
    let plans: Answer<Vec<_>> = rows.into_iter().map(show).collect();
    let mut answer = dynamic::empty("flyteidl.admin.LaunchPlanList");
    dynamic::put_list(&mut answer, "launch_plans", plans?);
    answer.put("token", Value::String(token));
    Ok(answer)
}

fn cell(state: &State, row: &Row<store::LaunchPlan>, entity: &str, column: &str) -> Cell {
    let workflow = state.workflows.find(&row.body.workflow);
    if entity == list::WORKFLOW.letter {
        return workflow.map_or(Cell::Null, |workflow| workflow::cell(workflow, column));
    }
    match column {
        "state" => Cell::Int(row.body.state.into()),
        "schedule_type" => Cell::Text(row.body.schedule_type.clone()),
        "launch_condition_type" if row.body.schedule_type != "NONE" => {
            Cell::Text("SCHED".to_owned())
        }
        "workflow_id" => workflow.map_or(Cell::Null, |workflow| task::base_cell(workflow, "id")),
        column => task::base_cell(row, column),
    }
}

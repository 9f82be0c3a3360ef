//! What a package holds, for people and scripts: entities, interfaces, images, schedules,
//! references. Pure.

use std::collections::BTreeMap;

use flyte_registration_crd::EntityType;
use flyte_registration_proto::flyteidl::{
    admin::{
        FixedRateUnit, LaunchPlanCreateRequest, Schedule, TaskCreateRequest, WorkflowCreateRequest,
        schedule::ScheduleExpression,
    },
    core::{TaskTemplate, TypedInterface, VariableMap, task_template::Target},
};
use prost::Message as _;
use prost_types::{Struct, value};
use serde::Serialize;

use crate::package::{Kind, Plan};

mod types;

/// What a package holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Its tasks, in the order of the package.
    pub tasks: Vec<Task>,
    /// Its workflows.
    pub workflows: Vec<Workflow>,
    /// Its launch plans.
    pub launch_plans: Vec<LaunchPlan>,
    /// What must be registered already, as `task project/domain/name@version`.
    pub references: Vec<String>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Its type, for example `python-task`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Every image that it names, sorted.
    pub images: Vec<String>,
    /// What goes in and out.
    #[serde(flatten)]
    pub interface: Interface,
}

/// A workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// How many nodes it has itself.
    pub nodes: usize,
    /// What goes in and out.
    #[serde(flatten)]
    pub interface: Interface,
}

/// A launch plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchPlan {
    /// Its name.
    pub name: String,
    /// The workflow that it launches.
    pub workflow: String,
    /// When it would run if it were active: `cron 0 2 * * *`, `every 10 minutes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Inputs that it fixes. Their values may be secret.
    pub fixed_inputs: Vec<String>,
    /// Inputs that it has defaults for.
    pub default_inputs: Vec<String>,
}

/// Variables by name, with their types.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// What goes in.
    pub inputs: BTreeMap<String, String>,
    /// What comes out.
    pub outputs: BTreeMap<String, String>,
}

impl Inspection {
    /// Reads the requests of a plan, which are known to be what they say.
    pub fn of(plan: &Plan) -> Self {
        let mut inspection = Self {
            references: plan
                .external
                .iter()
                .map(|reference| format!("{} {}", Kind(reference.kind), reference.id))
                .collect(),
            ..Self::default()
        };
        for planned in &plan.entities {
            let (name, request) = (planned.id.name.clone(), planned.request.as_ref());
            match planned.kind {
                EntityType::Task => inspection.tasks.push(task(name, request)),
                EntityType::Workflow => inspection.workflows.push(workflow(name, request)),
                EntityType::LaunchPlan => inspection.launch_plans.push(launch_plan(name, request)),
            }
        }
        inspection
    }
}

fn task(name: String, request: &[u8]) -> Task {
    let request = TaskCreateRequest::decode(request).unwrap_or_default();
    let template = request
        .spec
        .and_then(|spec| spec.template)
        .unwrap_or_default();
    Task {
        name,
        images: images(&template),
        interface: interface(template.interface.as_ref()),
        type_: template.r#type,
    }
}

fn workflow(name: String, request: &[u8]) -> Workflow {
    let request = WorkflowCreateRequest::decode(request).unwrap_or_default();
    let template = request
        .spec
        .and_then(|spec| spec.template)
        .unwrap_or_default();
    Workflow {
        name,
        nodes: template.nodes.len(),
        interface: interface(template.interface.as_ref()),
    }
}

fn launch_plan(name: String, request: &[u8]) -> LaunchPlan {
    let request = LaunchPlanCreateRequest::decode(request).unwrap_or_default();
    let spec = request.spec.unwrap_or_default();
    let mut fixed: Vec<String> = spec
        .fixed_inputs
        .map(|inputs| inputs.literals.into_keys().collect())
        .unwrap_or_default();
    let mut defaults: Vec<String> = spec
        .default_inputs
        .map(|inputs| inputs.parameters.into_keys().collect())
        .unwrap_or_default();
    fixed.sort_unstable();
    defaults.sort_unstable();
    LaunchPlan {
        name,
        workflow: spec.workflow_id.map(|id| id.name).unwrap_or_default(),
        schedule: spec
            .entity_metadata
            .and_then(|metadata| metadata.schedule)
            .and_then(|schedule| describe(&schedule)),
        fixed_inputs: fixed,
        default_inputs: defaults,
    }
}

fn interface(interface: Option<&TypedInterface>) -> Interface {
    let side = |side: Option<&VariableMap>| {
        side.map(|side| {
            side.variables
                .iter()
                .map(|(name, variable)| (name.clone(), types::describe(variable.r#type.as_ref())))
                .collect()
        })
        .unwrap_or_default()
    };
    Interface {
        inputs: side(interface.and_then(|interface| interface.inputs.as_ref())),
        outputs: side(interface.and_then(|interface| interface.outputs.as_ref())),
    }
}

fn describe(schedule: &Schedule) -> Option<String> {
    Some(match schedule.schedule_expression.as_ref()? {
        ScheduleExpression::CronExpression(cron) => format!("cron {cron}"),
        ScheduleExpression::CronSchedule(cron) if cron.offset.is_empty() => {
            format!("cron {}", cron.schedule)
        }
        ScheduleExpression::CronSchedule(cron) => {
            format!("cron {} offset {}", cron.schedule, cron.offset)
        }
        ScheduleExpression::Rate(rate) => {
            let unit = match rate.unit() {
                FixedRateUnit::Minute => "minute",
                FixedRateUnit::Hour => "hour",
                FixedRateUnit::Day => "day",
            };
            let plural = if rate.value == 1 { "" } else { "s" };
            format!("every {} {unit}{plural}", rate.value)
        }
    })
}

/// The images of the container, or of all containers of the pod.
fn images(template: &TaskTemplate) -> Vec<String> {
    let mut images = match &template.target {
        Some(Target::Container(container)) => vec![container.image.clone()],
        Some(Target::K8sPod(pod)) => pod.pod_spec.as_ref().map(pod_images).unwrap_or_default(),
        Some(Target::Sql(_)) | None => Vec::new(),
    };
    images.retain(|image| !image.is_empty());
    images.sort_unstable();
    images.dedup();
    images
}

fn pod_images(spec: &Struct) -> Vec<String> {
    let mut images = Vec::new();
    for list in ["initContainers", "containers"] {
        let Some(value::Kind::ListValue(list)) = kind(spec, list) else {
            continue;
        };
        for container in &list.values {
            if let Some(value::Kind::StructValue(container)) = &container.kind
                && let Some(value::Kind::StringValue(image)) = kind(container, "image")
            {
                images.push(image.clone());
            }
        }
    }
    images
}

fn kind<'a>(fields: &'a Struct, name: &str) -> Option<&'a value::Kind> {
    fields.fields.get(name)?.kind.as_ref()
}

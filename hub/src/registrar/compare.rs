//! Is what FlyteAdmin holds what the plan would create? Only what is certain counts: where
//! these functions say no, `CreateTask` and its like decide, which compare digests.

use bytes::Bytes;
use flyte_registration_crd::EntityType;
use flyte_registration_proto::flyteidl::descriptor_pool;
use prost_reflect::{DynamicMessage, Value};

use self::passes::passes;
use crate::package::{Planned, field, field_mut, repeated, repeated_mut, text};

mod passes;

/// The nodes that FlyteAdmin's compiler adds.
const START: &str = "start-node";
const END: &str = "end-node";

/// Most passes of the compiler that are followed, and longest id of a node that they make, in
/// bytes: branches within branches would grow without end. Beyond, FlyteAdmin decides.
const PASSES_MAX: u32 = 64;
const ID_MAX: usize = 1024;

/// Whether `held`, an `admin.Task`, `Workflow` (as of `GetWorkflow`) or `LaunchPlan`, surely is
/// what is planned.
pub(super) fn same(planned: &Planned, held: &DynamicMessage) -> bool {
    let Some(request) = request(planned.kind, &planned.request) else {
        return false;
    };
    let Some(spec) = field(&request, "spec") else {
        return false;
    };
    match planned.kind {
        EntityType::Task => task(spec, held),
        EntityType::Workflow => workflow(spec, held),
        EntityType::LaunchPlan => Some(field(held, "spec") == Some(spec)),
    }
    .unwrap_or(false)
}

/// A Create request, decoded.
pub(super) fn request(kind: EntityType, request: &Bytes) -> Option<DynamicMessage> {
    let name = match kind {
        EntityType::Task => "flyteidl.admin.TaskCreateRequest",
        EntityType::Workflow => "flyteidl.admin.WorkflowCreateRequest",
        EntityType::LaunchPlan => "flyteidl.admin.LaunchPlanCreateRequest",
    };
    let descriptor = descriptor_pool().get_message_by_name(name)?;
    DynamicMessage::decode(descriptor, request.clone()).ok()
}

/// Whether `held`, an `admin.Workflow`, surely runs something else than what is planned: other
/// nodes, or nodes that run other tasks. No compiler changes these.
pub(super) fn runs_other(planned: &Planned, held: &DynamicMessage) -> bool {
    let nodes = |template: &DynamicMessage| -> Vec<_> {
        let nodes = Template::held(template).nodes.into_iter();
        nodes
            .map(|node| {
                let task = field(&node, "task_node");
                let task = task.and_then(|task| field(task, "reference_id")).cloned();
                (text(&node, "id").to_owned(), task)
            })
            .collect()
    };
    let request = request(planned.kind, &planned.request);
    let planned = request
        .as_ref()
        .and_then(|request| field(field(request, "spec")?, "template"));
    let held = field(held, "closure")
        .and_then(|closure| field(closure, "compiled_workflow"))
        .and_then(|compiled| field(field(compiled, "primary")?, "template"));
    match (planned, held) {
        (Some(planned), Some(held)) => nodes(planned) != nodes(held),
        _ => false,
    }
}

fn task(spec: &DynamicMessage, held: &DynamicMessage) -> Option<bool> {
    let compiled = field(field(held, "closure")?, "compiled_task")?;
    Some(field(spec, "template")? == field(compiled, "template")?)
}

fn workflow(spec: &DynamicMessage, held: &DynamicMessage) -> Option<bool> {
    let compiled = field(field(held, "closure")?, "compiled_workflow")?;
    Some(Workflows::planned(spec)? == Workflows::held(compiled)?)
}

/// A workflow and those that it embeds, in an order that does not matter.
#[derive(Debug, PartialEq)]
pub(super) struct Workflows {
    pub(super) primary: Template,
    /// By their keys.
    pub(super) embedded: Vec<Template>,
}

impl Workflows {
    /// Those of an `admin.WorkflowSpec`, with the changes that the compiler makes.
    pub(super) fn planned(spec: &DynamicMessage) -> Option<Self> {
        let primary = field(spec, "template")?;
        let embedded: Vec<_> = repeated(spec, "sub_workflows").collect();
        let passes = passes(primary, &embedded);
        let templates = embedded.into_iter().zip(passes);
        let templates = templates.map(|(template, passes)| Template::planned(template, passes));
        Some(Self::new(
            Template::planned(primary, 1),
            templates.collect(),
        ))
    }

    /// Those of a `core.CompiledWorkflowClosure`.
    pub(super) fn held(compiled: &DynamicMessage) -> Option<Self> {
        let primary = field(field(compiled, "primary")?, "template")?;
        let embedded = repeated(compiled, "sub_workflows")
            .filter_map(|workflow| Some(Template::held(field(workflow, "template")?)));
        Some(Self::new(Template::held(primary), embedded.collect()))
    }

    fn new(primary: Template, mut embedded: Vec<Template>) -> Self {
        embedded.sort_by(|one, two| one.key.cmp(&two.key));
        Self { primary, embedded }
    }
}

/// A template as FlyteAdmin's compiler leaves it, in an order that does not matter.
#[derive(Debug, PartialEq)]
pub(super) struct Template {
    /// What orders templates: the text of the id.
    pub(super) key: String,
    /// The template without its nodes.
    pub(super) frame: DynamicMessage,
    /// Its nodes, by their ids.
    pub(super) nodes: Vec<DynamicMessage>,
}

impl Template {
    /// What is planned, with the changes that so many passes of the compiler make.
    fn planned(template: &DynamicMessage, passes: u32) -> Self {
        let mut template = Self::held(template);
        for _ in 0..passes.min(PASSES_MAX) {
            template.nodes.iter_mut().for_each(compiled);
            if let Some(node) = field_mut(&mut template.frame, "failure_node") {
                compiled(node);
            }
            // They are the bindings of the end node.
            repeated_mut(&mut template.frame, "outputs").for_each(explicit);
        }
        template
    }

    /// What FlyteAdmin holds, without the nodes that the compiler adds: they follow from
    /// the interface and the outputs.
    fn held(template: &DynamicMessage) -> Self {
        let mut frame = template.clone();
        frame.clear_field_by_name("nodes");
        let mut nodes: Vec<_> = repeated(template, "nodes")
            .filter(|node| ![START, END].contains(&text(node, "id")))
            .cloned()
            .collect();
        nodes.sort_by(|one, two| text(one, "id").cmp(text(two, "id")));
        Self {
            key: key(template),
            frame,
            nodes,
        }
    }
}

fn key(template: &DynamicMessage) -> String {
    field(template, "id")
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// The compiler names the start node in bindings to the workflow's own inputs, sorts what comes
/// before a node, and puts a branch's id before those of the nodes inside of it: `ValidateNode`,
/// `validateBinding` and `validateBranchInterface` in flytepropeller's `pkg/compiler/validators`.
fn compiled(node: &mut DynamicMessage) {
    repeated_mut(node, "inputs").for_each(explicit);
    // Asking for a field to change it would set it.
    if node.has_field_by_name("upstream_node_ids")
        && let Some(upstream) = node.get_field_by_name_mut("upstream_node_ids")
        && let Some(upstream) = upstream.as_list_mut()
    {
        upstream.sort_by(|one, two| one.as_str().cmp(&two.as_str()));
    }
    let id = text(node, "id").to_owned();
    let branch = field_mut(node, "branch_node").and_then(|branch| field_mut(branch, "if_else"));
    let Some(branch) = branch else {
        return;
    };
    let inner = |node: &mut DynamicMessage| {
        let name = format!("{id}-{}", text(node, "id"));
        if name.len() <= ID_MAX {
            node.set_field_by_name("id", Value::String(name));
        }
        compiled(node);
    };
    if let Some(node) = field_mut(branch, "case").and_then(|case| field_mut(case, "then_node")) {
        inner(node);
    }
    for case in repeated_mut(branch, "other") {
        if let Some(node) = field_mut(case, "then_node") {
            inner(node);
        }
    }
    if let Some(node) = field_mut(branch, "else_node") {
        inner(node);
    }
}

/// Names the start node in a `flyteidl.core.Binding`.
fn explicit(binding: &mut DynamicMessage) {
    if let Some(data) = field_mut(binding, "binding") {
        bound(data);
    }
}

fn bound(binding: &mut DynamicMessage) {
    if let Some(promise) = field_mut(binding, "promise") {
        if text(promise, "node_id").is_empty() {
            promise.set_field_by_name("node_id", Value::String(START.to_owned()));
        }
    } else if let Some(collection) = field_mut(binding, "collection") {
        repeated_mut(collection, "bindings").for_each(bound);
    } else if let Some(map) = field_mut(binding, "map")
        && map.has_field_by_name("bindings")
        && let Some(bindings) = map.get_field_by_name_mut("bindings")
        && let Some(bindings) = bindings.as_map_mut()
    {
        bindings
            .values_mut()
            .filter_map(Value::as_message_mut)
            .for_each(bound);
    }
}

#[cfg(test)]
mod tests;

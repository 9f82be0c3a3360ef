//! Which tasks and launch plans a workflow needs to be there.

use std::collections::BTreeMap;

use flyte_registration_proto::flyteidl::core::{
    Identifier, Node, WorkflowTemplate, if_else_block::Default as Else, node::Target, task_node,
    workflow_node::Reference,
};
use tonic::Code;

use super::errors::Errors;
use crate::{
    error::{AdminError, Answer},
    golang::text,
};

/// Identifiers, sorted and without duplicates.
#[derive(Debug, Default)]
pub struct Requirements {
    /// Tasks.
    pub tasks: Vec<Identifier>,
    /// Launch plans.
    pub plans: Vec<Identifier>,
}

/// Where each embedded workflow stands, by the text of its identifier.
pub fn index(subs: &[WorkflowTemplate]) -> Answer<BTreeMap<String, usize>> {
    let mut errors = Errors::default();
    let mut index = BTreeMap::new();
    for (position, sub) in subs.iter().enumerate() {
        if sub.id.is_none() {
            return Err(fail("Collected Errors: 0\n"));
        }
        let id = text::identifier(sub.id.as_ref());
        if index.insert(id.clone(), position).is_some() {
            errors.add(
                "DuplicateId",
                &id,
                "Trying to insert two nodes with the same id.",
            );
        }
    }
    errors.check().map_err(|text| fail(&text))?;
    Ok(index)
}

fn fail(text: &str) -> AdminError {
    AdminError::invalid(format!(
        "failed to get workflow requirements with err {text}"
    ))
}

/// What a workflow and the embedded ones that it uses need.
pub fn of(
    template: &WorkflowTemplate,
    subs: &[WorkflowTemplate],
    index: &BTreeMap<String, usize>,
    errors: &mut Errors,
) -> Answer<Requirements> {
    let mut walk = Walk {
        subs,
        index,
        errors,
        open: Vec::new(),
        found: Requirements::default(),
    };
    walk.workflow(template)?;
    let mut found = walk.found;
    for ids in [&mut found.tasks, &mut found.plans] {
        ids.sort_by_key(|id| {
            let id = id.clone();
            (
                id.resource_type,
                id.project,
                id.domain,
                id.name,
                id.version,
                id.org,
            )
        });
        ids.dedup();
    }
    Ok(found)
}

struct Walk<'a> {
    subs: &'a [WorkflowTemplate],
    index: &'a BTreeMap<String, usize>,
    errors: &'a mut Errors,
    open: Vec<usize>,
    found: Requirements,
}

impl Walk<'_> {
    fn workflow(&mut self, template: &WorkflowTemplate) -> Answer<()> {
        let mut used = Vec::new();
        each_node(template, &mut |node| match &node.target {
            Some(Target::TaskNode(task)) => {
                if let Some(task_node::Reference::ReferenceId(id)) = &task.reference {
                    self.found.tasks.push(id.clone());
                }
            }
            Some(Target::WorkflowNode(workflow)) => match &workflow.reference {
                Some(Reference::LaunchplanRef(id)) => self.found.plans.push(id.clone()),
                Some(Reference::SubWorkflowRef(id)) => {
                    used.push((node.id.clone(), text::identifier(Some(id))));
                }
                None => {}
            },
            _ => {}
        });
        for (node, id) in used {
            let Some(&position) = self.index.get(&id) else {
                let text = format!("Referenced Workflow [{id}] not found.");
                self.errors.add("WorkflowReferenceNotFound", &node, &text);
                continue;
            };
            // The real server recurses until its stack is full, and is gone.
            if self.open.contains(&position) {
                return Err(AdminError::new(
                    Code::Unavailable,
                    "error reading from server: EOF",
                ));
            }
            self.open.push(position);
            self.workflow(&self.subs[position])?;
            self.open.pop();
        }
        Ok(())
    }
}

/// Calls for every node of a workflow, at any depth.
pub fn each_node<'a>(template: &'a WorkflowTemplate, call: &mut impl FnMut(&'a Node)) {
    for node in template.nodes.iter().chain(&template.failure_node) {
        visit(node, call);
    }
}

fn visit<'a>(node: &'a Node, call: &mut impl FnMut(&'a Node)) {
    call(node);
    for inner in branches(node) {
        visit(inner, call);
    }
    if let Some(Target::ArrayNode(array)) = &node.target {
        array.node.iter().for_each(|inner| visit(inner, call));
    }
}

/// The nodes of a branch node, in order.
pub fn branches(node: &Node) -> Vec<&Node> {
    let Some(Target::BranchNode(branch)) = &node.target else {
        return Vec::new();
    };
    let Some(block) = &branch.if_else else {
        return Vec::new();
    };
    let case = block
        .case
        .iter()
        .filter_map(|case| case.then_node.as_deref());
    let other = block
        .other
        .iter()
        .filter_map(|case| case.then_node.as_deref());
    let last = match &block.default {
        Some(Else::ElseNode(node)) => Some(node.as_ref()),
        _ => None,
    };
    case.chain(other).chain(last).collect()
}

/// The embedded workflow that a node runs.
pub fn sub_workflow(node: &Node) -> Option<&Identifier> {
    match &node.target {
        Some(Target::WorkflowNode(workflow)) => match &workflow.reference {
            Some(Reference::SubWorkflowRef(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

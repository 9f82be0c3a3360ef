//! Packages made by hand.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use flyte_registration_proto::flyteidl::{
    admin::{LaunchPlan, LaunchPlanSpec, TaskSpec, WorkflowSpec},
    core::{
        ArrayNode, BranchNode, Identifier, IfBlock, IfElseBlock, Node, ResourceType, TaskNode,
        TaskTemplate, WorkflowNode, WorkflowTemplate, if_else_block, node, task_node,
        workflow_node,
    },
};
use prost::Message;

/// A gzip-compressed tar of these files.
pub fn package<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    gzip(&tar.into_inner().unwrap())
}

/// The bytes, gzip-compressed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An id as `pyflyte package` writes it: type and name only.
pub fn id(kind: ResourceType, name: &str) -> Identifier {
    Identifier {
        resource_type: kind.into(),
        name: name.to_owned(),
        ..Identifier::default()
    }
}

/// A task that is just its id.
pub fn task(name: &str) -> TaskSpec {
    TaskSpec {
        template: Some(TaskTemplate {
            id: Some(id(ResourceType::Task, name)),
            ..TaskTemplate::default()
        }),
        ..TaskSpec::default()
    }
}

/// A workflow of these nodes, named `n0`, `n1` and so on.
pub fn workflow(name: &str, nodes: impl IntoIterator<Item = node::Target>) -> WorkflowSpec {
    WorkflowSpec {
        template: Some(template(name, nodes)),
        ..WorkflowSpec::default()
    }
}

/// The template of such a workflow.
pub fn template(name: &str, nodes: impl IntoIterator<Item = node::Target>) -> WorkflowTemplate {
    let nodes = nodes.into_iter().enumerate();
    WorkflowTemplate {
        id: Some(id(ResourceType::Workflow, name)),
        nodes: nodes
            .map(|(index, target)| with_id(&format!("n{index}"), target))
            .collect(),
        ..WorkflowTemplate::default()
    }
}

/// A node of this id.
pub fn with_id(id: &str, target: node::Target) -> Node {
    Node {
        id: id.to_owned(),
        target: Some(target),
        ..Node::default()
    }
}

/// Runs a task.
pub fn runs(task: &str) -> node::Target {
    runs_id(id(ResourceType::Task, task))
}

/// Runs the task of this id.
pub fn runs_id(id: Identifier) -> node::Target {
    node::Target::TaskNode(TaskNode {
        reference: Some(task_node::Reference::ReferenceId(id)),
        ..TaskNode::default()
    })
}

/// Runs an embedded workflow.
pub fn embeds(workflow: &str) -> node::Target {
    let id = id(ResourceType::Workflow, workflow);
    node::Target::WorkflowNode(WorkflowNode {
        reference: Some(workflow_node::Reference::SubWorkflowRef(id)),
    })
}

/// Runs a launch plan.
pub fn launches(plan: &str) -> node::Target {
    let id = id(ResourceType::LaunchPlan, plan);
    node::Target::WorkflowNode(WorkflowNode {
        reference: Some(workflow_node::Reference::LaunchplanRef(id)),
    })
}

/// Runs one of three.
pub fn branches(case: node::Target, other: node::Target, default: node::Target) -> node::Target {
    let block = |id: &str, target| IfBlock {
        then_node: Some(Box::new(with_id(id, target))),
        ..IfBlock::default()
    };
    node::Target::BranchNode(Box::new(BranchNode {
        if_else: Some(Box::new(IfElseBlock {
            case: Some(Box::new(block("n0", case))),
            other: vec![block("n1", other)],
            default: Some(if_else_block::Default::ElseNode(Box::new(with_id(
                "n2", default,
            )))),
        })),
    }))
}

/// Runs for each element.
pub fn maps(target: node::Target) -> node::Target {
    node::Target::ArrayNode(Box::new(ArrayNode {
        node: Some(Box::new(with_id("each", target))),
        ..ArrayNode::default()
    }))
}

/// A launch plan of a workflow.
pub fn launch_plan(name: &str, workflow: &str) -> LaunchPlan {
    LaunchPlan {
        id: Some(id(ResourceType::LaunchPlan, name)),
        spec: Some(LaunchPlanSpec {
            workflow_id: Some(id(ResourceType::Workflow, workflow)),
            ..LaunchPlanSpec::default()
        }),
        ..LaunchPlan::default()
    }
}

/// The files of a package with these entities, each in its place by its type.
#[derive(Clone, Debug, Default)]
pub struct Files(pub Vec<(String, Vec<u8>)>);

impl Files {
    pub fn task(self, spec: &TaskSpec) -> Self {
        let id = spec.template.as_ref().unwrap().id.clone();
        self.add(&id.unwrap().name, 1, spec.encode_to_vec())
    }

    pub fn workflow(self, spec: &WorkflowSpec) -> Self {
        let id = spec.template.as_ref().unwrap().id.clone();
        self.add(&id.unwrap().name, 2, spec.encode_to_vec())
    }

    pub fn launch_plan(self, plan: &LaunchPlan) -> Self {
        let id = plan.id.clone();
        self.add(&id.unwrap().name, 3, plan.encode_to_vec())
    }

    fn add(mut self, name: &str, suffix: u8, content: Vec<u8>) -> Self {
        self.0
            .push((format!("{}_{name}_{suffix}.pb", self.0.len()), content));
        self
    }

    pub fn package(&self) -> Vec<u8> {
        package(
            self.0
                .iter()
                .map(|(name, content)| (name.as_str(), content.clone())),
        )
    }
}

//! What is compared: small entities, and what FlyteAdmin would hold of them.

use bytes::Bytes;
use flyte_registration_crd::EntityType;
use flyte_registration_proto::flyteidl::{
    admin::{
        self, LaunchPlanCreateRequest, LaunchPlanMetadata, LaunchPlanSpec, Schedule,
        TaskCreateRequest, TaskSpec, WorkflowCreateRequest, WorkflowSpec, schedule,
    },
    core::{
        self, Binding, BindingData, Container, Identifier, KeyValuePair, Literal, LiteralMap,
        LiteralType, Node, Parameter, ParameterMap, ResourceType, Resources, RetryStrategy,
        SimpleType, TaskMetadata, TaskNode, TaskTemplate, TypedInterface, Variable, VariableMap,
        WorkflowTemplate, binding_data, literal, literal_type, node, parameter, primitive,
        resources::{ResourceEntry, ResourceName},
        scalar, task_node, task_template,
    },
    descriptor_pool,
};
use prost::Message;
use prost_reflect::DynamicMessage;

use super::super::*;

pub(super) fn dynamic(name: &str, message: &impl Message) -> DynamicMessage {
    let descriptor = descriptor_pool().get_message_by_name(name).unwrap();
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).unwrap()
}

pub(super) fn task_request(template: &TaskTemplate) -> Bytes {
    let request = TaskCreateRequest {
        spec: Some(TaskSpec {
            template: Some(template.clone()),
            ..TaskSpec::default()
        }),
        ..TaskCreateRequest::default()
    };
    request.encode_to_vec().into()
}

pub(super) fn tasks(old: &TaskTemplate, new: &TaskTemplate) -> Explanation {
    let held = admin::Task {
        closure: Some(admin::TaskClosure {
            compiled_task: Some(core::CompiledTask {
                template: Some(old.clone()),
            }),
            ..admin::TaskClosure::default()
        }),
        ..admin::Task::default()
    };
    let held = dynamic("flyteidl.admin.Task", &held);
    explain(EntityType::Task, &task_request(new), &held).unwrap()
}

pub(super) fn workflow_request(
    template: &WorkflowTemplate,
    embedded: &[WorkflowTemplate],
) -> Bytes {
    let request = WorkflowCreateRequest {
        spec: Some(WorkflowSpec {
            template: Some(template.clone()),
            sub_workflows: embedded.to_vec(),
            ..WorkflowSpec::default()
        }),
        ..WorkflowCreateRequest::default()
    };
    request.encode_to_vec().into()
}

/// As FlyteAdmin compiles it: with two nodes more.
pub(super) fn compiled(template: &WorkflowTemplate) -> core::CompiledWorkflow {
    let mut template = template.clone();
    for id in ["start-node", "end-node"] {
        template.nodes.insert(0, node(id, "none", "v0"));
    }
    core::CompiledWorkflow {
        template: Some(template),
        ..core::CompiledWorkflow::default()
    }
}

pub(super) type Templates<'a> = (&'a WorkflowTemplate, &'a [WorkflowTemplate]);

pub(super) fn workflows(old: Templates<'_>, new: Templates<'_>) -> Explanation {
    let held = admin::Workflow {
        closure: Some(admin::WorkflowClosure {
            compiled_workflow: Some(core::CompiledWorkflowClosure {
                primary: Some(compiled(old.0)),
                sub_workflows: old.1.iter().map(compiled).collect(),
                ..core::CompiledWorkflowClosure::default()
            }),
            ..admin::WorkflowClosure::default()
        }),
        ..admin::Workflow::default()
    };
    let held = dynamic("flyteidl.admin.Workflow", &held);
    explain(EntityType::Workflow, &workflow_request(new.0, new.1), &held).unwrap()
}

pub(super) fn launch_plans(old: &LaunchPlanSpec, new: &LaunchPlanSpec) -> Explanation {
    let held = admin::LaunchPlan {
        spec: Some(old.clone()),
        ..admin::LaunchPlan::default()
    };
    let request = LaunchPlanCreateRequest {
        spec: Some(new.clone()),
        ..LaunchPlanCreateRequest::default()
    };
    let held = dynamic("flyteidl.admin.LaunchPlan", &held);
    let request: Bytes = request.encode_to_vec().into();
    explain(EntityType::LaunchPlan, &request, &held).unwrap()
}

pub(super) fn lines(explanation: &Explanation) -> String {
    let lines: Vec<_> = explanation
        .differences
        .iter()
        .map(ToString::to_string)
        .collect();
    lines.join("\n")
}

pub(super) fn simple(simple: SimpleType) -> LiteralType {
    LiteralType {
        r#type: Some(literal_type::Type::Simple(simple.into())),
        ..LiteralType::default()
    }
}

pub(super) fn list(item: LiteralType) -> LiteralType {
    LiteralType {
        r#type: Some(literal_type::Type::CollectionType(Box::new(item))),
        ..LiteralType::default()
    }
}

pub(super) fn variables<const N: usize>(types: [(&str, LiteralType); N]) -> VariableMap {
    let variable = |of: LiteralType| Variable {
        r#type: Some(of),
        ..Variable::default()
    };
    VariableMap {
        variables: types
            .into_iter()
            .map(|(name, of)| (name.to_owned(), variable(of)))
            .collect(),
    }
}

pub(super) fn text_literal(value: &str) -> Literal {
    Literal {
        value: Some(literal::Value::Scalar(Box::new(text_scalar(value)))),
        ..Literal::default()
    }
}

pub(super) fn text_scalar(value: &str) -> core::Scalar {
    core::Scalar {
        value: Some(scalar::Value::Primitive(core::Primitive {
            value: Some(primitive::Value::StringValue(value.to_owned())),
        })),
    }
}

pub(super) fn pair(key: &str, value: &str) -> KeyValuePair {
    KeyValuePair {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

pub(super) fn structure(value: &str) -> prost_types::Struct {
    let value = prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue(value.to_owned())),
    };
    prost_types::Struct {
        fields: [("password".to_owned(), value)].into(),
    }
}

pub(super) fn entry(name: ResourceName, value: &str) -> ResourceEntry {
    ResourceEntry {
        name: name.into(),
        value: value.to_owned(),
    }
}

pub(super) fn container(template: &mut TaskTemplate) -> &mut Container {
    match &mut template.target {
        Some(task_template::Target::Container(container)) => container,
        other => panic!("{other:?}"),
    }
}

/// A task in which every kind of value appears.
pub(super) fn task(secret: &str) -> TaskTemplate {
    TaskTemplate {
        r#type: "python-task".to_owned(),
        metadata: Some(TaskMetadata {
            retries: Some(RetryStrategy { retries: 3 }),
            tags: [("team".to_owned(), secret.to_owned())].into(),
            discovery_version: secret.to_owned(),
            ..TaskMetadata::default()
        }),
        interface: Some(TypedInterface {
            inputs: Some(variables([
                ("limit", simple(SimpleType::Integer)),
                ("names", list(simple(SimpleType::String))),
            ])),
            ..TypedInterface::default()
        }),
        custom: Some(structure(secret)),
        target: Some(task_template::Target::Container(Container {
            image: "ghcr.io/a:v1".to_owned(),
            command: vec!["run".to_owned()],
            args: vec!["--token".to_owned(), secret.to_owned()],
            resources: Some(Resources {
                requests: vec![
                    entry(ResourceName::Cpu, "1"),
                    entry(ResourceName::Memory, "1Gi"),
                ],
                limits: Vec::new(),
            }),
            env: vec![pair("TOKEN", secret), pair("HOME", "/root")],
            config: vec![pair("key", secret)],
            ..Container::default()
        })),
        security_context: Some(core::SecurityContext {
            run_as: Some(core::Identity {
                iam_role: secret.to_owned(),
                ..core::Identity::default()
            }),
            secrets: vec![core::Secret {
                key: secret.to_owned(),
                ..core::Secret::default()
            }],
            ..core::SecurityContext::default()
        }),
        config: [("account".to_owned(), secret.to_owned())].into(),
        ..TaskTemplate::default()
    }
}

pub(super) fn node(id: &str, task: &str, version: &str) -> Node {
    let id_of_task = Identifier {
        resource_type: ResourceType::Task.into(),
        project: "p".to_owned(),
        domain: "d".to_owned(),
        name: task.to_owned(),
        version: version.to_owned(),
        ..Identifier::default()
    };
    Node {
        id: id.to_owned(),
        target: Some(node::Target::TaskNode(TaskNode {
            reference: Some(task_node::Reference::ReferenceId(id_of_task)),
            ..TaskNode::default()
        })),
        ..Node::default()
    }
}

pub(super) fn bound(var: &str, value: &str) -> Binding {
    Binding {
        var: var.to_owned(),
        binding: Some(BindingData {
            value: Some(binding_data::Value::Scalar(text_scalar(value))),
            ..BindingData::default()
        }),
    }
}

pub(super) fn workflow(name: &str, nodes: &[Node]) -> WorkflowTemplate {
    WorkflowTemplate {
        id: Some(Identifier {
            resource_type: ResourceType::Workflow.into(),
            name: name.to_owned(),
            ..Identifier::default()
        }),
        nodes: nodes.to_vec(),
        ..WorkflowTemplate::default()
    }
}

pub(super) fn launch_plan(secret: &str) -> LaunchPlanSpec {
    let default = |value: &str| Parameter {
        var: Some(Variable {
            r#type: Some(simple(SimpleType::String)),
            ..Variable::default()
        }),
        behavior: Some(parameter::Behavior::Default(text_literal(value))),
    };
    LaunchPlanSpec {
        entity_metadata: Some(LaunchPlanMetadata {
            schedule: Some(Schedule {
                schedule_expression: Some(schedule::ScheduleExpression::CronExpression(
                    "0 * * * *".to_owned(),
                )),
                ..Schedule::default()
            }),
            ..LaunchPlanMetadata::default()
        }),
        default_inputs: Some(ParameterMap {
            parameters: [("day".to_owned(), default(secret))].into(),
        }),
        fixed_inputs: Some(LiteralMap {
            literals: [("key".to_owned(), text_literal(secret))].into(),
        }),
        labels: Some(admin::Labels {
            values: [("team".to_owned(), secret.to_owned())].into(),
        }),
        envs: Some(admin::Envs {
            values: vec![pair("TOKEN", secret)],
        }),
        ..LaunchPlanSpec::default()
    }
}

//! Messages that the tests send.

use flyte_registration_proto::flyteidl::{
    admin::{
        LaunchPlanCreateRequest, LaunchPlanMetadata, LaunchPlanSpec, ObjectGetRequest, Schedule,
        TaskCreateRequest, TaskSpec, WorkflowCreateRequest, WorkflowSpec,
        schedule::ScheduleExpression,
    },
    core::{
        Container, Identifier, Node, ResourceType, TaskMetadata, TaskNode, TaskTemplate,
        TypedInterface, WorkflowTemplate, node, task_node, task_template::Target,
    },
};

/// Of a task.
pub fn id(name: &str) -> Identifier {
    Identifier {
        resource_type: ResourceType::Task.into(),
        project: "flytesnacks".to_owned(),
        domain: "development".to_owned(),
        name: name.to_owned(),
        version: "v1".to_owned(),
        org: String::new(),
    }
}

/// A task with a container.
pub fn create(name: &str) -> TaskCreateRequest {
    let container = Container {
        image: "image".to_owned(),
        args: vec!["run".to_owned()],
        ..Container::default()
    };
    let template = TaskTemplate {
        r#type: "python-task".to_owned(),
        metadata: Some(TaskMetadata::default()),
        interface: Some(TypedInterface::default()),
        target: Some(Target::Container(container)),
        ..TaskTemplate::default()
    };
    TaskCreateRequest {
        id: Some(id(name)),
        spec: Some(TaskSpec {
            template: Some(template),
            description: None,
        }),
    }
}

/// The task.
pub fn get(name: &str) -> ObjectGetRequest {
    ObjectGetRequest { id: Some(id(name)) }
}

/// Of the workflow.
pub fn workflow_id() -> Identifier {
    Identifier {
        resource_type: ResourceType::Workflow.into(),
        ..id("workflow")
    }
}

/// A workflow of one node, which runs the task `a`.
pub fn workflow() -> WorkflowCreateRequest {
    let task = TaskNode {
        reference: Some(task_node::Reference::ReferenceId(id("a"))),
        overrides: None,
    };
    let node = Node {
        id: "n0".to_owned(),
        target: Some(node::Target::TaskNode(task)),
        ..Node::default()
    };
    let template = WorkflowTemplate {
        nodes: vec![node],
        ..WorkflowTemplate::default()
    };
    WorkflowCreateRequest {
        id: Some(workflow_id()),
        spec: Some(WorkflowSpec {
            template: Some(template),
            ..WorkflowSpec::default()
        }),
    }
}

/// Of a version of the launch plan.
pub fn plan_id(version: &str) -> Identifier {
    Identifier {
        resource_type: ResourceType::LaunchPlan.into(),
        version: version.to_owned(),
        ..id("plan")
    }
}

/// A version of the launch plan, with this schedule.
pub fn plan(version: &str, expression: ScheduleExpression) -> LaunchPlanCreateRequest {
    let schedule = Schedule {
        schedule_expression: Some(expression),
        kickoff_time_input_arg: String::new(),
    };
    let metadata = LaunchPlanMetadata {
        schedule: Some(schedule),
        ..LaunchPlanMetadata::default()
    };
    LaunchPlanCreateRequest {
        id: Some(plan_id(version)),
        spec: Some(LaunchPlanSpec {
            workflow_id: Some(workflow_id()),
            entity_metadata: Some(metadata),
            ..LaunchPlanSpec::default()
        }),
    }
}

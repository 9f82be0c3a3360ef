//! Fills in what `pyflyte package` leaves open: project, domain and version of ids.
//!
//! flytectl v1.16.8 does the same on registration, with two differences that are meant:
//! versions of references are never forced, and pod specs are not normalised.

use flyte_registration_crd::EntityType;
use prost_reflect::{DynamicMessage, Value};

use super::{
    Id, Target, What,
    code::Places,
    entity::resource_type_of,
    message::{field_mut, repeated_mut, resource_type, text},
};

/// A workflow's template after its ids are filled in: what is checked of it.
#[derive(Debug)]
pub(super) struct Template {
    /// Its id.
    pub(super) id: Id,
    /// The ids of its nodes, those inside of branches and array nodes not among them.
    pub(super) nodes: Vec<String>,
    /// What its nodes refer to, at any depth.
    pub(super) references: Vec<Reference>,
}

/// What a node refers to.
#[derive(Debug)]
pub(super) struct Reference {
    /// A task, a workflow (which must be embedded) or a launch plan.
    pub(super) kind: EntityType,
    /// Its id.
    pub(super) id: Id,
}

/// Fills in an id where it is empty or holds flytekit's placeholder, and answers with it.
pub(super) fn id(id: &mut DynamicMessage, target: &Target) -> Id {
    for (name, placeholder, wanted) in [
        ("project", "{{ registration.project }}", &target.project),
        ("domain", "{{ registration.domain }}", &target.domain),
        ("version", "{{ registration.version }}", &target.version),
    ] {
        let now = text(id, name);
        if now.is_empty() || now == placeholder {
            id.set_field_by_name(name, Value::String(wanted.clone()));
        }
    }
    Id {
        project: text(id, "project").to_owned(),
        domain: text(id, "domain").to_owned(),
        name: text(id, "name").to_owned(),
        version: text(id, "version").to_owned(),
    }
}

/// Fills in all ids of a `WorkflowSpec` and answers with its template, followed by those
/// that it embeds, and with what is wrong with their ids. Fills in `places` of nodes, too.
pub(super) fn workflow(
    spec: &mut DynamicMessage,
    target: &Target,
    places: &mut Places<'_>,
) -> (Vec<Template>, Vec<What>) {
    let mut walk = Walk {
        target,
        places,
        problems: Vec::new(),
    };
    let mut templates = Vec::new();
    match field_mut(spec, "template") {
        Some(message) => templates.extend(walk.template(message)),
        None => walk.problems.push(What::Missing("the template")),
    }
    for message in repeated_mut(spec, "sub_workflows") {
        templates.extend(walk.template(message));
    }
    (templates, walk.problems)
}

struct Walk<'a, 'p> {
    target: &'a Target,
    places: &'a mut Places<'p>,
    problems: Vec<What>,
}

impl Walk<'_, '_> {
    fn template(&mut self, template: &mut DynamicMessage) -> Option<Template> {
        let Some(message) = field_mut(template, "id") else {
            self.problems.push(What::Missing("the id of a workflow"));
            return None;
        };
        let mut found = Template {
            id: id(message, self.target),
            nodes: Vec::new(),
            references: Vec::new(),
        };
        for node in repeated_mut(template, "nodes") {
            found.nodes.push(text(node, "id").to_owned());
            self.node(node, &mut found.references);
        }
        if let Some(node) = field_mut(template, "failure_node") {
            self.node(node, &mut found.references);
        }
        Some(found)
    }

    /// Recursion ends: protobuf messages nest at most 100 deep, which the decoder sees to.
    fn node(&mut self, node: &mut DynamicMessage, found: &mut Vec<Reference>) {
        let name = text(node, "id").to_owned();
        if let Some(task) = field_mut(node, "task_node") {
            self.places.node(task);
            self.reference(&name, EntityType::Task, task, "reference_id", found);
        } else if let Some(workflow) = field_mut(node, "workflow_node") {
            let kind = EntityType::LaunchPlan;
            self.reference(&name, kind, workflow, "launchplan_ref", found);
            let kind = EntityType::Workflow;
            self.reference(&name, kind, workflow, "sub_workflow_ref", found);
        } else if let Some(branch) =
            field_mut(node, "branch_node").and_then(|branch| field_mut(branch, "if_else"))
        {
            if let Some(node) = field_mut(branch, "case").and_then(then_node) {
                self.node(node, found);
            }
            for node in repeated_mut(branch, "other").filter_map(then_node) {
                self.node(node, found);
            }
            if let Some(node) = field_mut(branch, "else_node") {
                self.node(node, found);
            }
        } else if let Some(node) =
            field_mut(node, "array_node").and_then(|array| field_mut(array, "node"))
        {
            self.node(node, found);
        }
    }

    fn reference(
        &mut self,
        node: &str,
        kind: EntityType,
        holder: &mut DynamicMessage,
        field: &str,
        found: &mut Vec<Reference>,
    ) {
        let Some(message) = field_mut(holder, field) else {
            return;
        };
        let id = id(message, self.target);
        // FlyteAdmin finds entities by name alone, and then refuses the wrong type as "not found".
        if id.name.is_empty() || resource_type(message) != resource_type_of(kind) {
            self.problems.push(What::Reference {
                node: node.to_owned(),
                kind,
            });
        }
        found.push(Reference { kind, id });
    }
}

fn then_node(case: &mut DynamicMessage) -> Option<&mut DynamicMessage> {
    field_mut(case, "then_node")
}

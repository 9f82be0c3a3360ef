//! What a node takes and gives.

use std::collections::{BTreeMap, BTreeSet};

use flyte_registration_proto::flyteidl::core::{
    LiteralType, Node, TypedInterface, VariableMap, gate_node::Condition, node::Target,
    parameter::Behavior, task_node, workflow_node::Reference,
};

use super::{Compiler, requirements};
use crate::golang::text;

/// Variables and their types.
pub type Variables = BTreeMap<String, LiteralType>;

/// What a node takes and gives.
#[derive(Debug, Clone, Default)]
pub struct Interface {
    /// Inputs.
    pub inputs: Variables,
    /// Outputs.
    pub outputs: Variables,
    /// Any input may be bound: the node's own bindings say which there are.
    pub open: bool,
}

impl Interface {
    /// Of a declared interface.
    pub fn of(interface: &TypedInterface) -> Self {
        Self {
            inputs: variables(interface.inputs.as_ref()),
            outputs: variables(interface.outputs.as_ref()),
            open: false,
        }
    }
}

fn variables(map: Option<&VariableMap>) -> Variables {
    let variables = map.into_iter().flat_map(|map| &map.variables);
    let kind =
        |(name, variable): (&String, &flyte_registration_proto::flyteidl::core::Variable)| {
            (name.clone(), variable.r#type.clone().unwrap_or_default())
        };
    variables.map(kind).collect()
}

impl Compiler {
    /// The node's interface; none where it could not be found, which is noted. What an
    /// approval gives is what is bound to it, so that the bindings decide later.
    pub fn interface(&mut self, node: &Node) -> Option<Interface> {
        match &node.target {
            Some(Target::TaskNode(task)) => {
                let Some(task_node::Reference::ReferenceId(id)) = &task.reference else {
                    return self.required(node, "TaskNode.ReferenceId");
                };
                let template = self.task(id)?;
                Some(Interface::of(
                    &template.interface.clone().unwrap_or_default(),
                ))
            }
            Some(Target::WorkflowNode(workflow)) => {
                if let Some(reference) = &workflow.reference {
                    return self.referenced(node, reference);
                }
                let text = "Referenced Workflow [<nil>/<nil>] not found.";
                self.errors.add("WorkflowReferenceNotFound", &node.id, text);
                None
            }
            Some(Target::BranchNode(branch)) => {
                let block = branch.if_else.as_ref();
                let case = block.and_then(|block| block.case.as_ref());
                let missing = match (block, case) {
                    (None, _) => Some("Branch.IfElse"),
                    (_, None) => Some("Branch.IfElse.Case"),
                    (_, Some(case)) if case.then_node.is_none() => {
                        Some("Branch.IfElse.Case.ThenNode")
                    }
                    _ => None,
                };
                match missing {
                    Some(what) => self.required(node, what),
                    None => self.branch(node),
                }
            }
            Some(Target::GateNode(gate)) => match &gate.condition {
                Some(Condition::Approve(_)) => Some(Interface {
                    outputs: node
                        .inputs
                        .iter()
                        .map(|b| (b.var.clone(), LiteralType::default()))
                        .collect(),
                    open: true,
                    ..Interface::default()
                }),
                Some(Condition::Signal(signal)) => {
                    let kind = signal.r#type.clone().unwrap_or_default();
                    Some(Interface {
                        outputs: BTreeMap::from([(signal.output_variable_name.clone(), kind)]),
                        ..Interface::default()
                    })
                }
                Some(Condition::Sleep(_)) => Some(Interface::default()),
                None => {
                    let text = format!("Can't find any condition in gate node [{}].", node.id);
                    self.errors.add("NoConditionFound", &node.id, &text);
                    None
                }
            },
            Some(Target::ArrayNode(array)) => match &array.node {
                Some(inner) => self.interface(inner),
                None => self.required(&Node::default(), "Target"),
            },
            None => self.required(node, "Target"),
        }
    }

    /// A launch plan exposes what it requires and what the node binds.
    fn referenced(&self, node: &Node, reference: &Reference) -> Option<Interface> {
        let id = match reference {
            Reference::SubWorkflowRef(id) => {
                return self
                    .interfaces
                    .get(&text::identifier(Some(id)))
                    .map(Interface::of);
            }
            Reference::LaunchplanRef(id) => id,
        };
        let plan = self.plans.get(&text::identifier(Some(id)))?;
        let bound: BTreeSet<_> = node.inputs.iter().map(|binding| &binding.var).collect();
        let exposed = plan.inputs.parameters.iter().filter(|(name, parameter)| {
            matches!(parameter.behavior, Some(Behavior::Required(true))) || bound.contains(name)
        });
        let exposed = exposed.map(|(name, parameter)| {
            let variable = parameter.var.clone().unwrap_or_default();
            (name.clone(), variable.r#type.unwrap_or_default())
        });
        Some(Interface {
            inputs: exposed.collect(),
            outputs: variables(Some(&plan.outputs)),
            open: false,
        })
    }

    /// A branch gives what all of its cases give.
    fn branch(&mut self, node: &Node) -> Option<Interface> {
        let mut outputs: Option<Variables> = None;
        for inner in requirements::branches(node) {
            let given = self.interface(inner)?.outputs;
            if let Some(all) = &mut outputs {
                all.retain(|name, _| given.contains_key(name));
            } else {
                outputs = Some(given);
            }
        }
        Some(Interface {
            outputs: outputs.unwrap_or_default(),
            open: true,
            ..Interface::default()
        })
    }

    fn required(&mut self, node: &Node, what: &str) -> Option<Interface> {
        self.errors.add(
            "ValueRequired",
            &node.id,
            &format!("Value required [{what}]."),
        );
        None
    }
}

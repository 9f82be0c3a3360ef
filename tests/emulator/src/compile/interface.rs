//! What a node takes and gives, by name.

use std::collections::{BTreeMap, BTreeSet};

use flyte_registration_proto::flyteidl::core::{
    LiteralType, Node, SimpleType, TypedInterface, VariableMap, gate_node::Condition,
    literal_type::Type, node::Target, parameter::Behavior, task_node, workflow_node::Reference,
};

use super::{Compiler, requirements};
use crate::golang::text;

/// Names of variables; of inputs also whether they may be left out.
#[derive(Debug, Clone, Default)]
pub struct Interface {
    /// Input, and whether `None` is among its types.
    pub inputs: BTreeMap<String, bool>,
    /// Outputs.
    pub outputs: BTreeSet<String>,
    /// Any input may be bound: the node's own bindings say which there are.
    pub open: bool,
}

impl Interface {
    /// Of a declared interface.
    pub fn of(interface: &TypedInterface) -> Self {
        Self {
            inputs: inputs(interface.inputs.as_ref()),
            outputs: outputs(interface.outputs.as_ref()),
            open: false,
        }
    }
}

/// Inputs by name, and whether they may be left out.
pub fn inputs(map: Option<&VariableMap>) -> BTreeMap<String, bool> {
    let variables = map.into_iter().flat_map(|map| &map.variables);
    variables
        .map(|(name, variable)| (name.clone(), is_optional(variable.r#type.as_ref())))
        .collect()
}

fn outputs(map: Option<&VariableMap>) -> BTreeSet<String> {
    map.into_iter()
        .flat_map(|map| map.variables.keys().cloned())
        .collect()
}

fn is_optional(kind: Option<&LiteralType>) -> bool {
    let Some(Type::UnionType(union)) = kind.and_then(|kind| kind.r#type.as_ref()) else {
        return false;
    };
    union.variants.iter().any(|variant| match variant.r#type {
        Some(Type::Simple(simple)) => simple == SimpleType::None as i32,
        _ => true, // whoever asks a type that is not simple hears NONE
    })
}

impl Compiler {
    /// The node's interface; none where it could not be found, which is noted.
    pub fn interface(&mut self, node: &Node) -> Option<Interface> {
        let bound: BTreeSet<String> = node
            .inputs
            .iter()
            .map(|binding| binding.var.clone())
            .collect();
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
            Some(Target::WorkflowNode(workflow)) => match &workflow.reference {
                Some(Reference::LaunchplanRef(id)) => {
                    let plan = self.plans.get(&text::identifier(Some(id)))?;
                    let exposed = plan.inputs.parameters.iter().filter(|(name, parameter)| {
                        matches!(parameter.behavior, Some(Behavior::Required(true)))
                            || bound.contains(*name)
                    });
                    let exposed = exposed.map(|(name, parameter)| {
                        let variable = parameter.var.clone().unwrap_or_default();
                        (name.clone(), is_optional(variable.r#type.as_ref()))
                    });
                    Some(Interface {
                        inputs: exposed.collect(),
                        outputs: outputs(Some(&plan.outputs)),
                        open: false,
                    })
                }
                Some(Reference::SubWorkflowRef(id)) => {
                    let interface = self.interfaces.get(&text::identifier(Some(id)))?;
                    Some(Interface::of(interface))
                }
                None => {
                    let text = "Referenced Workflow [<nil>/<nil>] not found.";
                    self.errors.add("WorkflowReferenceNotFound", &node.id, text);
                    None
                }
            },
            Some(Target::BranchNode(_)) => {
                let mut outputs: Option<BTreeSet<String>> = None;
                for inner in requirements::branches(node) {
                    let given = self.interface(inner)?.outputs;
                    outputs = Some(match outputs {
                        Some(all) => all.intersection(&given).cloned().collect(),
                        None => given,
                    });
                }
                Some(Interface {
                    outputs: outputs.unwrap_or_default(),
                    open: true,
                    ..Interface::default()
                })
            }
            Some(Target::GateNode(gate)) => match &gate.condition {
                Some(Condition::Approve(_)) => Some(Interface {
                    outputs: bound,
                    open: true,
                    ..Interface::default()
                }),
                Some(Condition::Signal(signal)) => Some(Interface {
                    outputs: BTreeSet::from([signal.output_variable_name.clone()]),
                    ..Interface::default()
                }),
                Some(Condition::Sleep(_)) => Some(Interface::default()),
                None => {
                    let text = format!("Can't find any condition in gate node [{}].", node.id);
                    self.errors.add("NoConditionFound", &node.id, &text);
                    None
                }
            },
            Some(Target::ArrayNode(array)) => match &array.node {
                Some(inner) => self.interface(inner),
                None => self.required(node, "Target"),
            },
            None => self.required(node, "Target"),
        }
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

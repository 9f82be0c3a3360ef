//! Branch nodes: their cases and conditions.

use flyte_registration_proto::flyteidl::core::{
    BooleanExpression, LiteralType, Node, Operand, binding_data::Value, boolean_expression::Expr,
    node::Target, operand::Val,
};

use super::{Compiler, edges::Graph};
use crate::types;

impl Compiler {
    /// Notes what a branch node lacks.
    pub fn check_branch(&mut self, node: &Node, graph: &Graph) {
        let Some(Target::BranchNode(branch)) = &node.target else {
            return;
        };
        let block = branch.if_else.clone().unwrap_or_default();
        let unconditional = "One of the branches on the node doesn't have a condition.";
        if block.case.is_none() {
            self.errors
                .add("BranchNodeHasNoCondition", &node.id, unconditional);
        }
        for case in block.case.as_deref().into_iter().chain(&block.other) {
            self.condition(node, case.condition.as_ref(), graph);
            if case.then_node.is_none() {
                let text = "BranchNode not assigned";
                self.errors.add("BranchNodeIdNotFound", &node.id, text);
            }
        }
        if block.default.is_none() {
            let text = "Branch Node must have either the else case set or a default error.";
            self.errors.add("BranchNodeHasNoDefault", &node.id, text);
        }
    }

    fn condition(&mut self, node: &Node, condition: Option<&BooleanExpression>, graph: &Graph) {
        let Some(condition) = condition else {
            let text = "One of the branches on the node doesn't have a condition.";
            self.errors.add("BranchNodeHasNoCondition", &node.id, text);
            return;
        };
        match &condition.expr {
            Some(Expr::Comparison(comparison)) => {
                let right =
                    self.operand(node, "RightValue", comparison.right_value.as_ref(), graph);
                let left = self.operand(node, "LeftValue", comparison.left_value.as_ref(), graph);
                if let (Some(right), Some(left)) = (right, left)
                    && right != left
                {
                    let text = format!(
                        "Variable [RightValue] (type [{}]) doesn't match expected type [{}].",
                        types::show(Some(&right)),
                        types::show(Some(&left))
                    );
                    self.errors.add("MismatchingTypes", &node.id, &text);
                }
            }
            Some(Expr::Conjunction(both)) => {
                self.condition(node, both.left_expression.as_deref(), graph);
                self.condition(node, both.right_expression.as_deref(), graph);
            }
            None => self
                .errors
                .add("ValueRequired", &node.id, "Value required [Expr]."),
        }
    }

    /// The type of what is compared; none where it could not be found.
    fn operand(
        &mut self,
        node: &Node,
        name: &str,
        operand: Option<&Operand>,
        graph: &Graph,
    ) -> Option<LiteralType> {
        let missing = match operand.map(|operand| &operand.val) {
            None => name.to_owned(),
            Some(Some(Val::Primitive(primitive))) => return Some(types::of_primitive(primitive)),
            Some(Some(Val::Var(var))) if !var.is_empty() => {
                let Some(binding) = node.inputs.iter().find(|binding| binding.var == *var) else {
                    let text = format!("Variable [{var}] not found on node [{}].", node.id);
                    self.errors.add("VariableNameNotFound", &node.id, &text);
                    return None;
                };
                return match binding.binding.as_ref()?.value.as_ref()? {
                    Value::Promise(promise) => {
                        let from = graph.interfaces.get(&promise.node_id)?;
                        from.outputs.get(&promise.var).cloned()
                    }
                    Value::Scalar(scalar) => types::of_scalar(scalar),
                    _ => None,
                };
            }
            Some(_) => format!("{name}.Val"),
        };
        self.errors.add(
            "ValueRequired",
            &node.id,
            &format!("Value required [{missing}]."),
        );
        None
    }
}

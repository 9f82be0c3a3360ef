//! What is bound to an input, against its type.

use flyte_registration_proto::flyteidl::core::{
    BindingData, LiteralType, Node, OutputReference, binding_data::Value, literal_type::Type,
    primitive, promise_attribute, scalar,
};

use super::{Compiler, edges::Graph};
use crate::types;

impl Compiler {
    /// The nodes that a binding waits for. `wanted` is absent where any type will do.
    pub fn bound<'a>(
        &mut self,
        node: &Node,
        var: &str,
        data: &'a BindingData,
        wanted: Option<&LiteralType>,
        graph: &Graph,
    ) -> Vec<&'a str> {
        match &data.value {
            Some(Value::Promise(promise)) => {
                let from = self.promise(node, var, promise, wanted, graph);
                from.into_iter().collect()
            }
            Some(Value::Scalar(scalar)) => {
                self.scalar(node, var, scalar, wanted);
                Vec::new()
            }
            Some(Value::Collection(list)) => {
                let inner = match wanted.and_then(|wanted| wanted.r#type.as_ref()) {
                    Some(Type::CollectionType(inner)) => Some(inner.as_ref()),
                    Some(Type::UnionType(_)) | None => None, // variants are not tried
                    Some(_) => return self.mismatch(node, var, wanted),
                };
                let items = list.bindings.iter();
                items
                    .flat_map(|item| self.bound(node, var, item, inner, graph))
                    .collect()
            }
            Some(Value::Map(map)) => {
                let inner = match wanted.and_then(|wanted| wanted.r#type.as_ref()) {
                    Some(Type::MapValueType(inner)) => Some(inner.as_ref()),
                    Some(Type::UnionType(_)) | None => None,
                    Some(_) => return self.mismatch(node, var, wanted),
                };
                let items = map.bindings.values();
                items
                    .flat_map(|item| self.bound(node, var, item, inner, graph))
                    .collect()
            }
            Some(Value::OffloadedMetadata(_)) | None => self.mismatch(node, var, wanted),
        }
    }

    fn mismatch<'a>(
        &mut self,
        node: &Node,
        var: &str,
        wanted: Option<&LiteralType>,
    ) -> Vec<&'a str> {
        let text = format!(
            "Input [{var}] on node [{}] expects bindings of type [{}].  Received []",
            node.id,
            types::show(wanted)
        );
        self.errors.add("MismatchingBindings", &node.id, &text);
        Vec::new()
    }

    fn scalar(
        &mut self,
        node: &Node,
        var: &str,
        value: &flyte_registration_proto::flyteidl::core::Scalar,
        wanted: Option<&LiteralType>,
    ) {
        let Some(given) = types::of_scalar(value) else {
            self.errors
                .add("UnrecognizedValue", &node.id, "Unrecognized value [<nil>].");
            return;
        };
        let Some(wanted) = wanted else { return };
        if !types::castable(&given, wanted) {
            let text = format!(
                "Variable [{var}] (type [{}]) doesn't match expected type [{}].",
                types::show(Some(&given)),
                types::show(Some(wanted))
            );
            self.errors.add("MismatchingTypes", &node.id, &text);
        }
        if let Some(Type::EnumType(known)) = &wanted.r#type {
            let text = match &value.value {
                Some(scalar::Value::Primitive(p)) => match &p.value {
                    Some(primitive::Value::StringValue(text)) => text.as_str(),
                    _ => "",
                },
                _ => "",
            };
            if !known.values.iter().any(|value| value == text) {
                let known = known.values.join(" ");
                let text = format!(
                    "Input [{var}] on node [{}] is an Enum and expects value to be one of \
                     [[{known}]].  Received [{text}]",
                    node.id
                );
                self.errors.add("IllegalEnumValue", &node.id, &text);
            }
        }
    }

    fn promise<'a>(
        &mut self,
        node: &Node,
        var: &str,
        promise: &'a OutputReference,
        wanted: Option<&LiteralType>,
        graph: &Graph,
    ) -> Option<&'a str> {
        let from = &promise.node_id;
        let Some(interface) = graph.interfaces.get(from) else {
            if !graph.unresolved.contains(from) {
                let text = format!("Referenced node [{from}] not found.");
                self.errors.add("NodeReferenceNotFound", from, &text);
            }
            self.unbound(node, var);
            return None;
        };
        let name = promise.var.split(['[', '.']).next().unwrap_or_default();
        let given = interface
            .outputs
            .get(&promise.var)
            .or_else(|| interface.outputs.get(name));
        let Some(given) = given else {
            let text = format!("Variable [{name}] not found on node [{from}].");
            self.errors.add("VariableNameNotFound", from, &text);
            self.unbound(node, var);
            return None;
        };
        let Some(wanted) = wanted else {
            return Some(from);
        };
        let Some(source) = step_into(given.clone(), promise) else {
            let text = format!("Variable [{}] doesn't have that field.", promise.var);
            self.errors.add("FieldNotFound", &node.id, &text);
            return None;
        };
        // What an approval passes on has no type of its own.
        if source.r#type.is_some() && !types::castable(&source, wanted) {
            let title = |node: Option<&Node>, var: &str| match node
                .and_then(|node| node.metadata.as_ref())
            {
                Some(metadata) => format!("{}.{var}", metadata.name),
                None => var.to_owned(),
            };
            let text = format!(
                "The output variable '{}' has type [{}], but it's assigned to the input variable \
                 '{}' which has type type [{}].",
                title(graph.nodes.get(from), &promise.var),
                types::show(Some(&source)),
                title(Some(node), var),
                types::show(Some(wanted))
            );
            self.errors.add("MismatchingTypes", &node.id, &text);
            return None;
        }
        Some(from)
    }
}

/// The type at the end of a promise's path.
fn step_into(mut kind: LiteralType, promise: &OutputReference) -> Option<LiteralType> {
    if promise.var.contains('[')
        && let Some(Type::CollectionType(inner)) = kind.r#type
    {
        kind = *inner;
    }
    for step in &promise.attr_path {
        let fields = kind.structure.clone().unwrap_or_default().dataclass_type;
        kind = match (kind.r#type.clone(), &step.value) {
            (Some(Type::CollectionType(inner) | Type::MapValueType(inner)), _) => *inner,
            (_, Some(promise_attribute::Value::StringValue(name))) if !fields.is_empty() => {
                fields.get(name)?.clone()
            }
            _ => kind,
        };
    }
    Some(kind)
}

//! What the compiler changes in a template. It works on dynamic messages, so that what
//! the server does not know stays.

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, Value};

use super::{END, START};
use crate::dynamic::{self, Fields as _};

/// Fills the interface, names branches after their node, makes promises of workflow
/// inputs explicit, and puts start and end node before the others.
pub fn template(template: &mut DynamicMessage) {
    template.message_mut("interface").map(interface);
    bindings(template.messages_mut("outputs"));
    for node in template.messages_mut("nodes") {
        self::node(node);
    }
    if template.has_field_by_name("failure_node") {
        template.message_mut("failure_node").map(node);
    }
    let nodes = match template.take_field_by_name("nodes") {
        Some(Value::List(nodes)) => nodes,
        _ => Vec::new(),
    };
    let mut seen = BTreeSet::from([START.to_owned(), END.to_owned()]);
    let named = |id: &str| {
        let mut node = dynamic::empty("flyteidl.core.Node");
        node.put("id", Value::String(id.to_owned()));
        node
    };
    let mut end = named(END);
    end.put("inputs", Value::List(template.list("outputs").to_vec()));
    let mut all = vec![Value::Message(named(START)), Value::Message(end)];
    all.extend(nodes.into_iter().filter(|node| {
        let id = node.as_message().map_or("", |node| node.text("id"));
        seen.insert(id.to_owned()) // the second node of a name is dropped without a word
    }));
    template.put("nodes", Value::List(all));
}

/// Inputs and outputs are there, if only empty.
pub fn interface(interface: &mut DynamicMessage) {
    for side in ["inputs", "outputs"] {
        if !interface.has_field_by_name(side) {
            interface.put_message(side, dynamic::empty("flyteidl.core.VariableMap"));
        }
    }
}

fn node(node: &mut DynamicMessage) {
    if [START, END].contains(&node.text("id")) {
        return;
    }
    if let Some(ids) = node
        .get_field_by_name_mut("upstream_node_ids")
        .and_then(Value::as_list_mut)
    {
        ids.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
    bindings(node.messages_mut("inputs"));
    if !node.has_field_by_name("branch_node") {
        return;
    }
    let parent = node.text("id").to_owned();
    let branch_node = node.message_mut("branch_node");
    let block = branch_node
        .filter(|branch| branch.has_field_by_name("if_else"))
        .and_then(|branch| branch.message_mut("if_else"));
    let Some(block) = block else { return };
    for field in ["case", "else_node"] {
        if block.has_field_by_name(field) {
            let Some(inner) = block.message_mut(field) else {
                continue;
            };
            let inner = if field == "case" {
                then_node(inner)
            } else {
                Some(inner)
            };
            if let Some(inner) = inner {
                branch(inner, &parent);
            }
        }
    }
    for other in block.messages_mut("other") {
        if let Some(inner) = then_node(other) {
            branch(inner, &parent);
        }
    }
}

fn then_node(block: &mut DynamicMessage) -> Option<&mut DynamicMessage> {
    if block.has_field_by_name("then_node") {
        block.message_mut("then_node")
    } else {
        None
    }
}

fn branch(inner: &mut DynamicMessage, parent: &str) {
    let id = format!("{parent}-{}", inner.text("id"));
    inner.put("id", Value::String(id));
    node(inner);
}

fn bindings(bindings: Vec<&mut DynamicMessage>) {
    for binding in bindings {
        if binding.has_field_by_name("binding") {
            binding.message_mut("binding").map(promises);
        }
    }
}

fn promises(data: &mut DynamicMessage) {
    if data.has_field_by_name("promise") {
        let Some(promise) = data.message_mut("promise") else {
            return;
        };
        if promise.text("node_id").is_empty() {
            promise.put("node_id", Value::String(START.to_owned()));
        }
    } else if data.has_field_by_name("collection") {
        let list = data
            .message_mut("collection")
            .map(|list| list.messages_mut("bindings"));
        list.into_iter().flatten().for_each(promises);
    } else if data.has_field_by_name("map") {
        let map = data
            .message_mut("map")
            .and_then(|map| map.get_field_by_name_mut("bindings"));
        let map = map.and_then(Value::as_map_mut);
        let values = map.into_iter().flat_map(|map| map.values_mut());
        values.filter_map(Value::as_message_mut).for_each(promises);
    }
}

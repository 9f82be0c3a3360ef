//! What the compiler changes is no difference, and nothing else is left out.

use flyte_registration_proto::flyteidl::core::{
    Binding, BindingData, BindingDataCollection, BindingDataMap, Node, OutputReference,
    WorkflowTemplate, binding_data,
};
use prost::Message as _;

use super::*;

fn dynamic(template: &WorkflowTemplate) -> DynamicMessage {
    let descriptor = descriptor_pool()
        .get_message_by_name("flyteidl.core.WorkflowTemplate")
        .unwrap();
    DynamicMessage::decode(descriptor, template.encode_to_vec().as_slice()).unwrap()
}

fn data(value: binding_data::Value) -> BindingData {
    BindingData {
        value: Some(value),
        ..BindingData::default()
    }
}

fn promise(node: &str, var: &str) -> BindingData {
    data(binding_data::Value::Promise(OutputReference {
        node_id: node.to_owned(),
        var: var.to_owned(),
        ..OutputReference::default()
    }))
}

fn binding(var: &str, data: BindingData) -> Binding {
    Binding {
        var: var.to_owned(),
        binding: Some(data),
    }
}

/// A workflow with a failure node, whose own inputs are those of the node `start`, and in which
/// some nodes come after `upstream`.
fn guarded(start: &str, upstream: [&str; 2]) -> WorkflowTemplate {
    let nested = data(binding_data::Value::Map(BindingDataMap {
        bindings: [("key".to_owned(), promise(start, "x"))].into(),
    }));
    let list = data(binding_data::Value::Collection(BindingDataCollection {
        bindings: vec![promise("n0", "o0"), nested],
    }));
    let node = |id: &str| Node {
        id: id.to_owned(),
        inputs: vec![
            binding("x", promise(start, "x")),
            binding("xs", list.clone()),
        ],
        upstream_node_ids: upstream.map(str::to_owned).to_vec(),
        ..Node::default()
    };
    WorkflowTemplate {
        nodes: vec![node("n2")],
        failure_node: Some(node("fn0")),
        outputs: vec![
            binding("o0", promise("n2", "o0")),
            binding("o1", promise(start, "x")),
        ],
        ..WorkflowTemplate::default()
    }
}

#[test]
fn what_the_compiler_does_with_a_failure_node_and_outputs_is_no_difference() {
    let sent = dynamic(&guarded("", ["n1", "n0"]));
    let compiled = dynamic(&guarded(START, ["n0", "n1"]));
    assert_eq!(Template::planned(&sent), Template::held(&compiled));
    assert_ne!(Template::planned(&sent), Template::held(&sent));
}

#[test]
fn any_other_change_is_one() {
    fn failure(template: &mut WorkflowTemplate) -> &mut Node {
        template.failure_node.as_mut().unwrap()
    }
    let changes: [fn(&mut WorkflowTemplate); 9] = [
        |template| template.failure_node = None,
        |template| failure(template).id = "fn1".to_owned(),
        |template| failure(template).inputs.truncate(1),
        |template| failure(template).inputs.reverse(),
        |template| failure(template).inputs[0] = binding("x", promise("n0", "x")),
        |template| failure(template).upstream_node_ids.truncate(1),
        |template| template.nodes[0].upstream_node_ids.push("n3".to_owned()),
        |template| template.outputs[1] = binding("o1", promise("n0", "x")),
        |template| template.outputs.reverse(),
    ];
    let held = dynamic(&guarded(START, ["n0", "n1"]));
    for (index, change) in changes.iter().enumerate() {
        let mut sent = guarded("", ["n1", "n0"]);
        change(&mut sent);
        let planned = Template::planned(&dynamic(&sent));
        assert_ne!(planned, Template::held(&held), "change {index}");
    }
}

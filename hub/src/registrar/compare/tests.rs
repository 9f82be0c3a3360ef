//! What the compiler changes is no difference, and nothing else is left out.

use flyte_registration_proto::flyteidl::core::{
    Binding, BindingData, BindingDataCollection, BindingDataMap, BranchNode, Error, Identifier,
    IfBlock, IfElseBlock, Node, OutputReference, WorkflowNode, WorkflowTemplate, binding_data,
    if_else_block, node, workflow_node,
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
    assert_eq!(Template::planned(&sent, 1), Template::held(&compiled));
    assert_ne!(Template::planned(&sent, 1), Template::held(&sent));
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
        let planned = Template::planned(&dynamic(&sent), 1);
        assert_ne!(planned, Template::held(&held), "change {index}");
    }
}

/// A workflow that embeds others, the last of them in a branch.
fn embedding(name: &str, others: &[&str]) -> DynamicMessage {
    let id = |name: &str| Identifier {
        name: name.to_owned(),
        ..Identifier::default()
    };
    let runs = |name: &&str| Node {
        id: format!("runs-{name}"),
        target: Some(node::Target::WorkflowNode(WorkflowNode {
            reference: Some(workflow_node::Reference::SubWorkflowRef(id(name))),
        })),
        ..Node::default()
    };
    let mut nodes: Vec<_> = others.iter().map(runs).collect();
    if let Some(last) = nodes.pop() {
        let block = IfElseBlock {
            case: Some(Box::new(IfBlock {
                then_node: Some(Box::new(last)),
                ..IfBlock::default()
            })),
            default: Some(if_else_block::Default::Error(Error::default())),
            ..IfElseBlock::default()
        };
        nodes.push(Node {
            id: "n0".to_owned(),
            target: Some(node::Target::BranchNode(Box::new(BranchNode {
                if_else: Some(Box::new(block)),
            }))),
            ..Node::default()
        });
    }
    dynamic(&WorkflowTemplate {
        id: Some(id(name)),
        nodes,
        ..WorkflowTemplate::default()
    })
}

#[test]
fn each_pass_of_the_compiler_leaves_its_mark() {
    let template = embedding("w", &["other"]);
    for (passes, id) in [
        (0, "runs-other"),
        (1, "n0-runs-other"),
        (3, "n0-n0-n0-runs-other"),
    ] {
        let compiled = Template::planned(&template, passes).nodes.remove(0);
        let branch = field(field(&compiled, "branch_node").unwrap(), "if_else").unwrap();
        let inner = field(field(branch, "case").unwrap(), "then_node").unwrap();
        assert_eq!(text(inner, "id"), id);
        assert_eq!(text(&compiled, "id"), "n0");
    }
    // However many there are said to be.
    assert!(Template::planned(&template, u32::MAX).nodes[0].encoded_len() < 2 * ID_MAX);
}

#[test]
fn what_is_embedded_is_compiled_by_each_that_embeds_it() {
    let primary = embedding("primary", &["a", "b", "c"]);
    let embedded = [
        embedding("c", &[]),
        embedding("b", &["c"]),
        embedding("a", &["b", "b", "c"]),
        embedding("unused", &["c"]),
        embedding("loop", &["pool"]),
        embedding("pool", &["loop"]),
    ];
    let embedded: Vec<_> = embedded.iter().collect();
    // c: by primary, by a, and by b for primary and for a.
    assert_eq!(passes(&primary, &embedded), [4, 2, 1, 0, 0, 0]);
}

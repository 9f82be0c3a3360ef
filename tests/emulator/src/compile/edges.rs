//! How the nodes of a workflow hang together.

use std::collections::{BTreeMap, BTreeSet};

use flyte_registration_proto::flyteidl::core::{
    Binding, BindingData, ConnectionSet, Node, OutputReference, TypedInterface, WorkflowTemplate,
    binding_data::Value, connection_set::IdList,
};

use super::{Compiler, END, START, interface::Interface, requirements};

type Edges = BTreeMap<String, BTreeSet<String>>;

#[derive(Default)]
struct Graph {
    upstream: Edges,
    downstream: Edges,
    interfaces: BTreeMap<String, Interface>,
}

impl Graph {
    fn up(&mut self, from: &str, to: &str) {
        let from = if from.is_empty() { START } else { from };
        self.upstream
            .entry(to.to_owned())
            .or_default()
            .insert(from.to_owned());
    }

    fn both(&mut self, from: &str, to: &str) {
        self.up(from, to);
        let from = if from.is_empty() { START } else { from };
        self.downstream
            .entry(from.to_owned())
            .or_default()
            .insert(to.to_owned());
    }
}

impl Compiler {
    /// The connections of a rewritten template; what is wrong with them is noted.
    pub fn connect(&mut self, template: &WorkflowTemplate) -> ConnectionSet {
        let mut graph = Graph::default();
        let declared = template.interface.clone().unwrap_or_default();
        let given = Interface::of(&TypedInterface {
            inputs: declared.outputs.clone(),
            outputs: declared.inputs,
        });
        let start = Interface {
            outputs: given.outputs,
            ..Interface::default()
        };
        let end = Interface {
            inputs: given.inputs,
            ..Interface::default()
        };
        graph.interfaces.insert(START.to_owned(), start);
        graph.interfaces.insert(END.to_owned(), end);
        let nodes: BTreeMap<_, _> = template.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
        let own = || {
            template
                .nodes
                .iter()
                .filter(|node| ![START, END].contains(&node.id.as_str()))
        };
        for node in own() {
            if node.id.is_empty() {
                self.errors
                    .add("ValueRequired", "<node>", "Value required [Id].");
            }
            if let Some(interface) = self.interface(node) {
                graph.interfaces.insert(node.id.clone(), interface);
            }
        }
        for node in own() {
            self.branches(node, &mut graph);
        }
        for (id, node) in &nodes {
            if *id != START {
                self.edges(node, &mut graph, true);
            }
        }
        if let Some(node) = &template.failure_node {
            if let Some(interface) = self.interface(node) {
                graph.interfaces.insert(node.id.clone(), interface);
            }
            self.edges(node, &mut graph, false);
        }
        for node in own() {
            if !graph.upstream.contains_key(&node.id) {
                graph.both(START, &node.id);
            }
            if !graph.downstream.contains_key(&node.id) {
                graph.both(&node.id, END);
            }
        }
        self.reach(&graph.downstream, &nodes);
        let lists = |edges: Edges| {
            let list = |(id, ids): (String, BTreeSet<String>)| {
                (
                    id,
                    IdList {
                        ids: ids.into_iter().collect(),
                    },
                )
            };
            edges.into_iter().map(list).collect()
        };
        ConnectionSet {
            downstream: lists(graph.downstream),
            upstream: lists(graph.upstream),
        }
    }

    /// The nodes inside a branch know what comes before them, not what comes after.
    fn branches(&mut self, node: &Node, graph: &mut Graph) {
        for inner in requirements::branches(node) {
            if let Some(interface) = self.interface(inner) {
                graph.interfaces.insert(inner.id.clone(), interface);
            }
            self.edges(inner, graph, false);
            self.branches(inner, graph);
        }
    }

    fn edges(&mut self, node: &Node, graph: &mut Graph, both: bool) {
        let Some(interface) = graph.interfaces.get(&node.id).cloned() else {
            return;
        };
        if both {
            for id in &node.upstream_node_ids {
                graph.both(id, &node.id);
            }
        }
        let mut bound = BTreeSet::new();
        for binding in &node.inputs {
            if !interface.open && !interface.inputs.contains_key(&binding.var) {
                let text = format!(
                    "Variable [{}] not found on node [{}].",
                    binding.var, node.id
                );
                self.errors.add("VariableNameNotFound", &node.id, &text);
            } else if !bound.insert(binding.var.clone()) {
                let text = format!("Input [{}] is bound more than once.", binding.var);
                self.errors
                    .add("ParameterBoundMoreThanOnce", &node.id, &text);
            } else {
                self.binding(node, binding, graph, both);
            }
        }
        for (name, optional) in &interface.inputs {
            if !optional && !bound.contains(name) {
                self.unbound(node, name);
            }
        }
    }

    fn unbound(&mut self, node: &Node, name: &str) {
        let text = format!("Parameter not bound [{name}].");
        self.errors.add("ParameterNotBound", &node.id, &text);
    }

    fn binding(&mut self, node: &Node, binding: &Binding, graph: &mut Graph, both: bool) {
        let Some(data) = &binding.binding else {
            self.errors
                .add("ValueRequired", &node.id, "Value required [Binding].");
            return;
        };
        let mut found = Vec::new();
        promises(data, &mut found);
        for promise in found {
            let Some(interface) = graph.interfaces.get(&promise.node_id) else {
                let text = format!("Referenced node [{}] not found.", promise.node_id);
                self.errors
                    .add("NodeReferenceNotFound", &promise.node_id, &text);
                self.unbound(node, &binding.var);
                continue;
            };
            let name = promise.var.split(['[', '.']).next().unwrap_or_default();
            if !interface.outputs.contains(&promise.var) && !interface.outputs.contains(name) {
                let text = format!("Variable [{name}] not found on node [{}].", promise.node_id);
                self.errors
                    .add("VariableNameNotFound", &promise.node_id, &text);
                self.unbound(node, &binding.var);
                continue;
            }
            if both {
                graph.both(&promise.node_id, &node.id);
            } else {
                graph.up(&promise.node_id, &node.id);
            }
        }
    }

    /// Everything is reached from the start, and nothing twice on one way.
    fn reach(&mut self, downstream: &Edges, nodes: &BTreeMap<&str, &Node>) {
        let mut visited = BTreeSet::new();
        if let Some(cycle) = cycle(START, downstream, &mut Vec::new(), &mut visited) {
            let path = cycle.join(">");
            let text = format!("A cycle has been detected while traversing the Workflow [{path}].");
            self.errors.add("CycleDetected", START, &text);
            return;
        }
        let lost = |id: &&&str| **id != END && !visited.contains(**id);
        let lost: Vec<_> = nodes.keys().filter(lost).copied().collect();
        if !lost.is_empty() {
            let text = format!(
                "The Workflow contain unreachable nodes [{}].",
                lost.join(",")
            );
            self.errors.add("UnreachableNodes", START, &text);
        }
    }
}

fn promises<'a>(data: &'a BindingData, found: &mut Vec<&'a OutputReference>) {
    match &data.value {
        Some(Value::Promise(promise)) => found.push(promise),
        Some(Value::Collection(list)) => {
            list.bindings
                .iter()
                .for_each(|inner| promises(inner, found));
        }
        Some(Value::Map(map)) => map
            .bindings
            .values()
            .for_each(|inner| promises(inner, found)),
        _ => {}
    }
}

fn cycle(
    node: &str,
    downstream: &Edges,
    path: &mut Vec<String>,
    visited: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    let seen = path.iter().any(|before| before == node);
    path.push(node.to_owned());
    if seen {
        return Some(path.clone());
    }
    if visited.insert(node.to_owned()) {
        for next in downstream.get(node).into_iter().flatten() {
            if let Some(found) = cycle(next, downstream, path, visited) {
                return Some(found);
            }
        }
    }
    path.pop();
    None
}

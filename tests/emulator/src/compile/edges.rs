//! How the nodes of a workflow hang together.

use std::collections::{BTreeMap, BTreeSet};

use flyte_registration_proto::flyteidl::core::{
    ConnectionSet, Node, TypedInterface, WorkflowTemplate, connection_set::IdList,
};

use super::{Compiler, END, START, interface::Interface, requirements};
use crate::types;

type Edges = BTreeMap<String, BTreeSet<String>>;

/// A workflow as far as it is known.
#[derive(Debug, Default)]
pub struct Graph {
    upstream: Edges,
    downstream: Edges,
    /// By node.
    pub interfaces: BTreeMap<String, Interface>,
    /// Nodes whose interface could not be found; that is noted already.
    pub unresolved: BTreeSet<String>,
    /// By id.
    pub nodes: BTreeMap<String, Node>,
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
        let all = template
            .nodes
            .iter()
            .map(|node| (node.id.clone(), node.clone()));
        graph.nodes = all.collect();
        let sentinel = |id: &str| [START, END].contains(&id);
        let own: Vec<_> = template
            .nodes
            .iter()
            .filter(|node| !sentinel(&node.id))
            .collect();
        for node in &own {
            if node.id.is_empty() {
                self.errors
                    .add("ValueRequired", "<node>", "Value required [Id].");
            }
            if let Some(interface) = self.interface(node) {
                graph.interfaces.insert(node.id.clone(), interface);
            } else {
                graph.unresolved.insert(node.id.clone());
            }
        }
        for node in &own {
            self.branches(node, &mut graph);
        }
        for (id, node) in graph.nodes.clone() {
            if let Some(interface) = graph.interfaces.get(&id).cloned()
                && id != START
            {
                self.edges(&node, &interface, &mut graph, true);
            }
        }
        if let Some(node) = &template.failure_node
            && let Some(interface) = self.interface(node)
        {
            self.edges(node, &interface, &mut graph, false);
        }
        for node in &own {
            if !graph.upstream.contains_key(&node.id) {
                graph.both(START, &node.id);
            }
            if !graph.downstream.contains_key(&node.id) {
                graph.both(&node.id, END);
            }
        }
        self.reach(&graph);
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
        self.check_branch(node, graph);
        for inner in requirements::branches(node) {
            if let Some(interface) = self.interface(inner) {
                self.edges(inner, &interface, graph, false);
            }
            self.branches(inner, graph);
        }
    }

    fn edges(&mut self, node: &Node, interface: &Interface, graph: &mut Graph, both: bool) {
        if both {
            for id in &node.upstream_node_ids {
                graph.both(id, &node.id);
            }
        }
        let mut bound = BTreeSet::new();
        for binding in &node.inputs {
            let wanted = interface.inputs.get(&binding.var);
            if !interface.open && wanted.is_none() {
                let text = format!(
                    "Variable [{}] not found on node [{}].",
                    binding.var, node.id
                );
                self.errors.add("VariableNameNotFound", &node.id, &text);
            } else if !bound.insert(binding.var.as_str()) {
                let text = format!("Input [{}] is bound more than once.", binding.var);
                self.errors
                    .add("ParameterBoundMoreThanOnce", &node.id, &text);
            } else if let Some(data) = &binding.binding {
                for from in self.bound(node, &binding.var, data, wanted, graph) {
                    if both {
                        graph.both(from, &node.id);
                    } else {
                        graph.up(from, &node.id);
                    }
                }
            } else {
                self.errors
                    .add("ValueRequired", &node.id, "Value required [Binding].");
            }
        }
        for (name, kind) in &interface.inputs {
            if !types::is_optional(Some(kind)) && !bound.contains(name.as_str()) {
                self.unbound(node, name);
            }
        }
    }

    /// Nothing usable is bound to an input.
    pub fn unbound(&mut self, node: &Node, name: &str) {
        let text = format!("Parameter not bound [{name}].");
        self.errors.add("ParameterNotBound", &node.id, &text);
    }

    /// Everything is reached from the start, and nothing twice on one way.
    fn reach(&mut self, graph: &Graph) {
        let mut visited = BTreeSet::new();
        if let Some(cycle) = cycle(START, &graph.downstream, &mut Vec::new(), &mut visited) {
            let path = cycle.join(">");
            let text = format!("A cycle has been detected while traversing the Workflow [{path}].");
            self.errors.add("CycleDetected", START, &text);
            return;
        }
        let lost = |id: &&String| *id != END && !visited.contains(*id);
        let lost: Vec<_> = graph
            .nodes
            .keys()
            .filter(lost)
            .map(String::as_str)
            .collect();
        if !lost.is_empty() {
            let text = format!(
                "The Workflow contain unreachable nodes [{}].",
                lost.join(",")
            );
            self.errors.add("UnreachableNodes", START, &text);
        }
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

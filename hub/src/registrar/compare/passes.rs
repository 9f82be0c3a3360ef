//! How often FlyteAdmin's compiler goes through an embedded workflow.

use std::collections::{BTreeSet, HashMap};

use prost_reflect::DynamicMessage;

use super::key;
use crate::package::{field, repeated};

/// For each embedded workflow how often it is compiled: every workflow compiles each that it embeds
/// once, whenever it is compiled itself. All work on the same templates, so each pass leaves its
/// mark: `ValidateWorkflow` and `ValidateNode` in flytepropeller's `pkg/compiler`.
pub(super) fn passes(primary: &DynamicMessage, embedded: &[&DynamicMessage]) -> Vec<u32> {
    let places: HashMap<String, usize> = embedded
        .iter()
        .enumerate()
        .map(|(place, template)| (key(template), place))
        .collect();
    let uses: Vec<_> = embedded
        .iter()
        .map(|template| used(template, &places))
        .collect();
    let mut passes = vec![0_u32; embedded.len()];
    for place in used(primary, &places) {
        passes[place] = 1;
    }
    // Those that embed it and are not counted yet.
    let mut open = vec![0_usize; embedded.len()];
    uses.iter().flatten().for_each(|&place| open[place] += 1);
    let mut ready: Vec<usize> = (0..open.len()).filter(|&place| open[place] == 0).collect();
    // Workflows that embed each other never get ready: the preflight refuses them.
    while let Some(one) = ready.pop() {
        for &place in &uses[one] {
            passes[place] = passes[place].saturating_add(passes[one]);
            open[place] -= 1;
            if open[place] == 0 {
                ready.push(place);
            }
        }
    }
    passes
}

/// The places of the workflows that a template embeds.
fn used(template: &DynamicMessage, places: &HashMap<String, usize>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for node in repeated(template, "nodes").chain(field(template, "failure_node")) {
        of_node(node, places, &mut found);
    }
    found
}

fn of_node(node: &DynamicMessage, places: &HashMap<String, usize>, found: &mut BTreeSet<usize>) {
    let branch = field(node, "branch_node").and_then(|branch| field(branch, "if_else"));
    if let Some(branch) = branch {
        let blocks = field(branch, "case").into_iter();
        let blocks = blocks.chain(repeated(branch, "other"));
        let inner = blocks.filter_map(|block| field(block, "then_node"));
        for node in inner.chain(field(branch, "else_node")) {
            of_node(node, places, found);
        }
        return;
    }
    let reference = field(node, "workflow_node").and_then(|node| field(node, "sub_workflow_ref"));
    found.extend(reference.and_then(|id| places.get(&id.to_string()).copied()));
}

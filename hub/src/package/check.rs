//! What is wrong with entities in ways that FlyteAdmin does not say, or does not survive.
//! Each rule was seen on FlyteAdmin v1.16.8.

use std::collections::{HashMap, HashSet};

use flyte_registration_crd::EntityType;

use super::{Limits, What, graph, hydrate::Template};

/// The nodes that FlyteAdmin's compiler adds; it drops others of these ids.
const RESERVED: [&str; 2] = ["start-node", "end-node"];

/// Whether an entity may have this name. Texts with control characters fail in the database.
/// A workflow's name becomes part of a URL below which its closure is stored, so that
/// some characters make two workflows share one closure.
pub(super) fn name(kind: EntityType, name: &str, limits: &Limits) -> bool {
    let url_safe = !name.contains(['?', '#', '%', '/', '\\']) && name != "." && name != "..";
    !name.is_empty()
        && name.len() <= limits.name_bytes
        && !name.chars().any(char::is_control)
        && (kind != EntityType::Workflow || url_safe)
}

/// What is wrong with a workflow, given its template and then those that it embeds.
pub(super) fn workflow(templates: &[Template], limits: &Limits) -> Vec<What> {
    let mut problems = Vec::new();
    // FlyteAdmin counts the nodes of the first only.
    if let Some(template) = templates.first()
        && template.nodes.len() > limits.workflow_nodes
    {
        problems.push(What::Nodes {
            count: template.nodes.len(),
            max: limits.workflow_nodes,
        });
    }
    for template in templates {
        nodes(template, &mut problems);
    }
    embedding(templates, &mut problems);
    problems
}

fn nodes(template: &Template, problems: &mut Vec<What>) {
    let mut seen = HashSet::new();
    for node in &template.nodes {
        let workflow = template.id.name.clone();
        let node_id = node.clone();
        if RESERVED.contains(&node.as_str()) {
            let node = node_id;
            problems.push(What::ReservedNode { workflow, node });
        } else if !seen.insert(node) {
            let node = node_id;
            problems.push(What::DuplicateNode { workflow, node });
        }
    }
}

fn embedding(templates: &[Template], problems: &mut Vec<What>) {
    let mut index = HashMap::new();
    for (position, template) in templates.iter().enumerate() {
        if index.insert(&template.id, position).is_some() {
            // The first template within itself is a recursion, which is said below.
            problems.push(What::EmbeddedTwice(template.id.name.clone()));
        }
    }
    let edges: Vec<Vec<usize>> = templates
        .iter()
        .map(|template| {
            let references = template.references.iter();
            let workflows = references.filter(|reference| reference.kind == EntityType::Workflow);
            workflows
                .filter_map(|reference| index.get(&reference.id).copied())
                .collect()
        })
        .collect();
    if let Err(position) = graph::order(&edges) {
        problems.push(What::Recursion(templates[position].id.name.clone()));
    }
}

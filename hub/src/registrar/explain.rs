//! In what does the registered content of a version differ from what is planned? Pure.
//!
//! FlyteAdmin's own text about a conflict shows the values of both sides, which may be
//! secrets, and is silent about lists that grew or shrank. This names every difference by its
//! path in FlyteIDL's terms, and shows values for a closed list of fields only ([`shown`]).

use std::fmt::{self, Write as _};

use bytes::Bytes;
use flyte_registration_crd::{EntityType, bounded};
use prost_reflect::{DynamicMessage, Value};

use self::differ::Differ;
use super::compare::{self, Template, Workflows};
use crate::package::{field, field_mut, text};

mod differ;
mod path;
mod same;
mod shown;
mod types;

/// Most differences of one entity that are told.
const DIFFERENCES_MAX: usize = 200;

/// One difference between what is registered and what is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where, in FlyteIDL's terms: from the template of a task or workflow, or the spec of a
    /// launch plan. At most a few hundred bytes.
    pub path: String,
    /// What is different there.
    pub change: Change,
}

/// A change from what is registered to what is planned. Values are there for a closed
/// list of fields, short and printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the plan has it.
    Added(Option<String>),
    /// Only FlyteAdmin has it.
    Removed(Option<String>),
    /// Both have it, with other content.
    Changed(Option<(String, String)>),
    /// A list has another number of entries.
    Resized(usize, usize),
    /// A list has the same entries in another order.
    Reordered,
}

impl Change {
    fn has_values(&self) -> bool {
        matches!(
            self,
            Self::Added(Some(_)) | Self::Removed(Some(_)) | Self::Changed(Some(_))
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.change {
            Change::Added(None) => write!(f, "{path} added"),
            Change::Added(Some(new)) => write!(f, "{path} added: {new}"),
            Change::Removed(None) => write!(f, "{path} removed"),
            Change::Removed(Some(old)) => write!(f, "{path} removed: {old}"),
            Change::Changed(None) => write!(f, "{path} changed"),
            Change::Changed(Some((old, new))) => write!(f, "{path} {old} → {new}"),
            Change::Resized(old, new) => write!(f, "{path} changed, {old} → {new} entries"),
            Change::Reordered => write!(f, "{path} reordered"),
        }
    }
}

/// How what is registered differs from what is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The differences, in the order of the fields.
    pub differences: Vec<Difference>,
    /// There are more than these.
    pub more: bool,
}

impl Explanation {
    /// The most telling differences in at most `max` bytes: those with values first. Empty
    /// if there is no difference.
    pub(super) fn brief(&self, max: usize) -> String {
        // Room for " and 200 or more others".
        const REST: usize = 24;
        let mut sorted: Vec<_> = self.differences.iter().collect();
        sorted.sort_by_key(|one| !one.change.has_values());
        let mut brief = String::new();
        for (index, difference) in sorted.iter().enumerate() {
            let text = difference.to_string();
            if index == 0 {
                brief = bounded(&text, max.saturating_sub(REST));
            } else if brief.len() + 2 + text.len() + REST <= max {
                brief.push_str("; ");
                brief.push_str(&text);
            } else {
                let rest = sorted.len() - index;
                let (most, others) = (
                    if self.more { " or more" } else { "" },
                    if rest == 1 { "other" } else { "others" },
                );
                // Writing to a string does not fail.
                let _ = write!(brief, " and {rest}{most} {others}");
                break;
            }
        }
        brief
    }
}

/// Explains how `held`, an `admin.Task`, `Workflow` (as of `GetWorkflow`) or `LaunchPlan`,
/// differs from what this encoded Create request asks for. What FlyteAdmin itself adds is no
/// difference. `None` if one of them lacks what it must have.
pub(super) fn explain(
    kind: EntityType,
    request: &Bytes,
    held: &DynamicMessage,
) -> Option<Explanation> {
    let request = compare::request(kind, request)?;
    let spec = field(&request, "spec")?;
    let mut differ = Differ::new(DIFFERENCES_MAX);
    match kind {
        EntityType::Task => {
            let compiled = field(field(held, "closure")?, "compiled_task")?;
            differ.messages(field(compiled, "template")?, field(spec, "template")?);
        }
        EntityType::Workflow => {
            let compiled = field(field(held, "closure")?, "compiled_workflow")?;
            let (old, new) = (Workflows::held(compiled)?, Workflows::planned(spec)?);
            template(&mut differ, &old.primary, &new.primary);
            sub_workflows(&mut differ, &old.embedded, &new.embedded);
        }
        EntityType::LaunchPlan => {
            let held = without_filled_in(field(held, "spec")?, spec);
            differ.messages(&held, spec);
        }
    }
    Some(differ.explanation())
}

fn template(differ: &mut Differ, old: &Template, new: &Template) {
    differ.messages(&old.frame, &new.frame);
    let (old, new): (Vec<_>, Vec<_>) = (old.nodes.iter().collect(), new.nodes.iter().collect());
    differ.within("nodes", |differ| differ.entries(&old, &new));
}

/// Embedded workflows, by their ids.
fn sub_workflows(differ: &mut Differ, old: &[Template], new: &[Template]) {
    let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(old), Some(new)) => old.key.cmp(&new.key),
        };
        let old = order.is_le().then(|| olds.next()).flatten();
        let new = order.is_ge().then(|| news.next()).flatten();
        let name = old
            .or(new)
            .and_then(|template| field(&template.frame, "id"))
            .map_or("", |id| text(id, "name"));
        differ.within("sub_workflows", |differ| {
            differ.entry(name, |differ| match (old, new) {
                (Some(old), Some(new)) => template(differ, old, new),
                (Some(_), None) => differ.found(Change::Removed(None)),
                _ => differ.found(Change::Added(None)),
            });
        });
    }
}

/// FlyteAdmin adds the inputs of the workflow that are open to a launch plan's default inputs,
/// as required ones.
fn without_filled_in(held: &DynamicMessage, planned: &DynamicMessage) -> DynamicMessage {
    const INPUTS: &str = "default_inputs";
    let mut held = held.clone();
    let given = field(planned, INPUTS).and_then(|inputs| inputs.get_field_by_name("parameters"));
    let given = given.as_deref().and_then(Value::as_map);
    let Some(inputs) = field_mut(&mut held, INPUTS) else {
        return held;
    };
    let mut empty = !inputs.has_field_by_name("parameters");
    if !empty
        && let Some(parameters) = inputs
            .get_field_by_name_mut("parameters")
            .and_then(Value::as_map_mut)
    {
        parameters.retain(|name, parameter| {
            given.is_some_and(|given| given.contains_key(name)) || !is_required(parameter)
        });
        empty = parameters.is_empty();
    }
    if empty && !planned.has_field_by_name(INPUTS) && inputs.unknown_fields().next().is_none() {
        held.clear_field_by_name(INPUTS);
    }
    held
}

fn is_required(parameter: &Value) -> bool {
    parameter
        .as_message()
        .and_then(|parameter| parameter.get_field_by_name("required"))
        .and_then(|required| required.as_bool())
        .unwrap_or(false)
}

#[cfg(test)]
mod tests;

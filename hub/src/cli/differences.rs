//! How a planned entity differs from the registered one, for people and for scripts.

use serde::Serialize;

use super::output::plain;
use crate::registrar::{Change, Comparison, Difference, Explanation};

/// A difference, for scripts.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    path: String,
    /// `added`, `removed`, `changed`, `resized` (a list, with its lengths) or `reordered`.
    change: &'static str,
    /// What is registered. Values are there for a closed list of fields: others may be secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<String>,
    /// What is planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<String>,
}

impl From<&Difference> for Shown {
    fn from(difference: &Difference) -> Self {
        let (change, old, new) = match difference.change.clone() {
            Change::Added(new) => ("added", None, new),
            Change::Removed(old) => ("removed", old, None),
            Change::Changed(values) => {
                let (old, new) = values.unzip();
                ("changed", old, new)
            }
            Change::Resized(old, new) => ("resized", Some(old.to_string()), Some(new.to_string())),
            Change::Reordered => ("reordered", None, None),
        };
        Self {
            path: difference.path.clone(),
            change,
            old,
            new,
        }
    }
}

/// What `comparison` found to differ.
pub(super) fn of(comparison: &Comparison) -> Option<&Explanation> {
    match comparison {
        Comparison::Other(explanation) => Some(explanation),
        Comparison::Same | Comparison::Absent | Comparison::Unknown => None,
    }
}

/// A line for each, for people.
pub(super) fn lines(explanation: &Explanation) -> impl Iterator<Item = String> {
    let differences = explanation.differences.iter();
    let more = explanation.more.then(|| "… and more".to_owned());
    differences
        .map(|difference| plain(&difference.to_string()))
        .chain(more)
}

/// All of them, for scripts.
pub(super) fn shown(explanation: &Explanation) -> Vec<Shown> {
    explanation.differences.iter().map(Shown::from).collect()
}

//! Foreign text within messages.

use std::fmt;

use flyte_registration_crd::{EntityType, bounded};

/// Most problems, names and candidates that one message lists.
const LISTED: usize = 5;
/// Longest foreign text within a message, in bytes.
const FOREIGN: usize = 200;

/// Text out of a package: made visible and short.
pub(super) struct Foreign<'a>(pub(super) &'a String);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cut first: escaping makes it longer, and there may be a megabyte of it.
        let cut = bounded(self.0, FOREIGN);
        f.write_str(&bounded(&cut.escape_debug().to_string(), FOREIGN))
    }
}

/// The first few of a list.
pub(super) struct Listed<'a, T>(pub(super) &'a [T], pub(super) &'static str);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, item) in self.0.iter().take(LISTED).enumerate() {
            if index > 0 {
                f.write_str(self.1)?;
            }
            let text = item.to_string();
            f.write_str(&bounded(&text, 2 * FOREIGN))?;
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "{}and {more} more", self.1),
        }
    }
}

/// The everyday word for a kind of entity.
pub(crate) struct Kind(pub(crate) EntityType);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            EntityType::Task => "task",
            EntityType::Workflow => "workflow",
            EntityType::LaunchPlan => "launch plan",
        })
    }
}

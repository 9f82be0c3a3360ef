//! What the compiler found wrong, in its words.

use std::{collections::BTreeSet, fmt::Write as _};

/// A set of errors, sorted by code.
#[derive(Debug, Default)]
pub struct Errors(BTreeSet<(String, String)>);

impl Errors {
    /// Notes an error at a node.
    pub fn add(&mut self, code: &str, node: &str, description: &str) {
        let text = format!("Code: {code}, Node Id: {node}, Description: {description}");
        self.0.insert((code.to_owned(), text));
    }

    /// Nothing was found, or the text of it all.
    pub fn check(&self) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut text = format!("Collected Errors: {}\n", self.0.len());
        for (index, (_, error)) in self.0.iter().enumerate() {
            let _ = writeln!(text, "\tError {index}: {error}");
        }
        Err(text)
    }
}

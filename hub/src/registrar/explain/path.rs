//! Paths such as `nodes[n1].task_node.reference_id.name`.

use flyte_registration_crd::bounded;

/// Longest path, in bytes.
const PATH_MAX: usize = 300;
/// Longest key of an entry, in bytes.
const KEY_MAX: usize = 100;

/// Where a comparison stands.
#[derive(Debug, Default)]
pub(super) struct Path {
    text: String,
    depth: usize,
}

/// Where to go back to.
#[derive(Debug)]
pub(super) struct Mark {
    length: usize,
    depth: usize,
}

impl Path {
    /// Steps into a field.
    pub(super) fn field(&mut self, name: &str) -> Mark {
        let dot = if self.text.is_empty() { "" } else { "." };
        self.push(&format!("{dot}{name}"))
    }

    /// Steps into an entry of a list or map.
    pub(super) fn entry(&mut self, key: &str) -> Mark {
        let key = bounded(&printable(key), KEY_MAX);
        self.push(&format!("[{key}]"))
    }

    fn push(&mut self, segment: &str) -> Mark {
        let mark = Mark {
            length: self.text.len(),
            depth: self.depth,
        };
        self.depth += 1;
        // What is inside of something that is too deep to name has the same path.
        if self.text.len() + segment.len() <= PATH_MAX && !self.text.ends_with('…') {
            self.text.push_str(segment);
        } else if !self.text.ends_with('…') {
            self.text.push('…');
        }
        mark
    }

    /// Steps back.
    pub(super) fn back(&mut self, mark: &Mark) {
        self.text.truncate(mark.length);
        self.depth = mark.depth;
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

/// The text without what disturbs a terminal or a status.
pub(super) fn printable(text: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric();
    text.chars()
        .map(|c| if plain(c) { c } else { '\u{fffd}' })
        .collect()
}

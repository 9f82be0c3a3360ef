//! Globs of names: `*` for any text, `?` for one character, `[ab]`, `{a,b}`.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;

/// A pattern of names.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Glob(GlobMatcher);

impl Glob {
    /// Whether the whole of `name` is matched.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

impl TryFrom<String> for Glob {
    type Error = globset::Error;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        let glob = GlobBuilder::new(&pattern)
            .literal_separator(false)
            .build()?;
        Ok(Self(glob.compile_matcher()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.glob().glob())
    }
}

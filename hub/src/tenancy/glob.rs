//! Globs of names: `*` for any text, `?` for one character, `[ab]`, `{a,b}`.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

/// Most plain globs that the alternatives of one are written out as when globs are compared.
const ALTERNATIVES_MAX: usize = 64;

/// A pattern of names.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(GlobMatcher);

impl Glob {
    /// Whether the whole of `name` is matched.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }

    /// Whether there may be a name that both match. Never wrongly false.
    pub(super) fn may_meet(&self, other: &Self) -> bool {
        let plain = |glob: &Self| alternatives(glob.0.glob().glob());
        let (Some(ours), Some(theirs)) = (plain(self), plain(other)) else {
            return true;
        };
        ours.iter().any(|ours| {
            theirs
                .iter()
                .any(|theirs| meet(&tokens(ours), &tokens(theirs)))
        })
    }

    /// Some names that it matches: its text with `*` and `?` filled in.
    pub(super) fn examples(&self) -> Vec<String> {
        let plain = alternatives(self.0.glob().glob()).unwrap_or_default();
        let filled = plain
            .iter()
            .flat_map(|text| ["x", "x-y"].map(|star| text.replace('*', star).replace('?', "x")));
        let mut examples: Vec<_> = filled.filter(|name| self.matches(name)).collect();
        examples.dedup();
        examples
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.0.glob() == other.0.glob()
    }
}

impl Eq for Glob {}

impl TryFrom<String> for Glob {
    type Error = globset::Error;

    fn try_from(pattern: String) -> Result<Self, Self::Error> {
        let glob = GlobBuilder::new(&pattern)
            .literal_separator(false)
            .build()?;
        Ok(Self(glob.compile_matcher()))
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.to_string()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.glob().glob())
    }
}

/// The glob without `{a,b}`, written out. `None`: it is too odd for that.
fn alternatives(glob: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut open = vec![glob.to_owned()];
    while let Some(text) = open.pop() {
        if text.contains('\\') || open.len() + done.len() > ALTERNATIVES_MAX {
            return None;
        }
        // The innermost braces: none are left between these.
        let Some(end) = text.find('}') else {
            done.push(text);
            continue;
        };
        let begin = text[..end].rfind('{')?;
        let (before, after) = (&text[..begin], &text[end + 1..]);
        let inside = text[begin + 1..end].split(',');
        open.extend(inside.map(|choice| format!("{before}{choice}{after}")));
    }
    Some(done)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Text,
    Any,
    One(char),
}

fn tokens(glob: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = glob.chars();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => Token::Text,
            '?' => Token::Any,
            '[' => {
                // A class, taken for any character.
                let _ = rest.by_ref().skip(1).find(|c| *c == ']');
                Token::Any
            }
            c => Token::One(c),
        });
    }
    tokens
}

/// Whether a text exists that both match.
fn meet(a: &[Token], b: &[Token]) -> bool {
    // reach[j]: what is left of `a` from here on and of `b` from `j` on can still meet.
    let mut reach: Vec<bool> = (0..=b.len())
        .map(|j| b[j..].iter().all(|token| *token == Token::Text))
        .collect();
    for i in (0..a.len()).rev() {
        let mut here = vec![false; b.len() + 1];
        for j in (0..=b.len()).rev() {
            let other = b.get(j);
            here[j] = match (a[i], other) {
                (Token::Text, None) => reach[j],
                (_, None) => false,
                (Token::Text, Some(_)) => reach[j] || here[j + 1],
                (_, Some(Token::Text)) => here[j + 1] || reach[j],
                (Token::One(ours), Some(Token::One(theirs))) => ours == *theirs && reach[j + 1],
                _ => reach[j + 1],
            };
        }
        reach = here;
    }
    reach[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn globs_that_may_meet() {
        for (a, b, meet) in [
            ("data-*", "data-prod", true),
            ("a*", "*b", true),
            ("data-*", "ml-*", false),
            ("*", "x", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("{dev,prod}", "p*", true),
            ("{dev,prod}-x", "stage-*", false),
            ("{a,b{c,d}}", "bd", true),
            ("{a,b{c,d}}", "be", false),
            ("[ab]x", "bx", true),
            ("", "*", true),
            ("", "?", false),
        ] {
            assert_eq!(glob(a).may_meet(&glob(b)), meet, "{a} {b}");
            assert_eq!(glob(b).may_meet(&glob(a)), meet, "{b} {a}");
        }
    }

    proptest! {
        /// Globs that match the same name are never told apart.
        #[test]
        fn what_both_match_is_a_meeting(
            a in "[ab*?]{0,5}", b in "[ab*?]{0,5}", name in "[ab]{0,6}",
        ) {
            let (a, b) = (glob(&a), glob(&b));
            if a.matches(&name) && b.matches(&name) {
                prop_assert!(a.may_meet(&b));
            }
            for example in a.examples() {
                prop_assert!(a.matches(&example));
            }
        }
    }
}

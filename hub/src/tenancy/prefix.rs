//! Where packages lie in their source.

use std::fmt;

use serde::Deserialize;

/// The beginning of a package's path below its source, in whole segments: `team` is a prefix of
/// `team/flows`, and not of `teams`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PackagePrefix(String);

impl PackagePrefix {
    /// Whether `path` is it, or lies below it.
    pub fn holds(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl TryFrom<String> for PackagePrefix {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let segment = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !text.is_empty() && text != "." && text != ".." && text.chars().all(plain)
        };
        if text.split('/').all(segment) {
            Ok(Self(text))
        } else {
            Err("must be a path such as team/flows, without a slash at its ends")
        }
    }
}

impl fmt::Display for PackagePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_segments_count() {
        let prefix = PackagePrefix::try_from("team/flows".to_owned()).unwrap();
        for (path, held) in [
            ("team/flows", true),
            ("team/flows/etl", true),
            ("team/flowsx", false),
            ("team", false),
            ("x/team/flows", false),
            ("Team/flows", false),
        ] {
            assert_eq!(prefix.holds(path), held, "{path}");
        }
        for bad in [
            "", "/", "a/", "/a", "a//b", "../a", "a/..", "a?b", "a%2fb", "*",
        ] {
            assert!(PackagePrefix::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}

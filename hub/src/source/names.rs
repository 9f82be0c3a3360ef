//! The names that OCI registries go by: hosts, repositories, tags, digests. Pure.
//!
//! Read more strictly than Docker does: there is no default host, no `library/`, no `latest`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

mod digest;
mod uri;

pub use digest::Digest;
pub use uri::OciUri;

/// Longest repository that registries take (distribution's limit).
const REPOSITORY_MAX: usize = 255;
/// Longest tag (OCI distribution specification).
const TAG_MAX: usize = 128;

/// `host[:port]`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Authority(String);

impl Authority {
    /// As in a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Authority {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        authority(&text)
            .map(Self)
            .ok_or("must be host[:port], without a scheme")
    }
}

impl From<Authority> for String {
    fn from(authority: Authority) -> Self {
        authority.0
    }
}

/// A registry, or a part of one: `host[:port][/prefix]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Registry {
    /// `host[:port]`, in lower case.
    pub authority: String,
    /// The repository that everything lies below; may be empty.
    pub prefix: String,
}

impl Registry {
    /// `path` below the prefix.
    pub(super) fn repository(&self, path: &str) -> String {
        if self.prefix.is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.prefix)
        }
    }

    /// Whether `repository` on `authority` lies below, or is what the prefix names itself.
    pub(super) fn holds(&self, authority: &str, repository: &str) -> bool {
        let below = |rest: &str| self.prefix.is_empty() || rest.is_empty() || rest.starts_with('/');
        self.authority == authority && repository.strip_prefix(&self.prefix).is_some_and(below)
    }
}

impl FromStr for Registry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const MESSAGE: &str = "must be host[:port][/prefix], without a scheme";
        let (host, prefix) = text.split_once('/').unwrap_or((text, ""));
        if text.ends_with('/') || !(prefix.is_empty() || is_repository(prefix)) {
            return Err(MESSAGE);
        }
        Ok(Self {
            authority: authority(host).ok_or(MESSAGE)?,
            prefix: prefix.to_owned(),
        })
    }
}

impl TryFrom<String> for Registry {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Registry> for String {
    fn from(registry: Registry) -> Self {
        registry.to_string()
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)?;
        if self.prefix.is_empty() {
            Ok(())
        } else {
            write!(f, "/{}", self.prefix)
        }
    }
}

/// `host[:port]` in lower case, if `text` is that.
fn authority(text: &str) -> Option<String> {
    let (host, port) = match text.split_once(':') {
        None => (text, None),
        Some((host, port)) => (host, Some(port)),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let number = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    (host.split('.').all(label) && port.is_none_or(number)).then(|| text.to_ascii_lowercase())
}

/// Whether an OCI registry can have this repository.
pub(super) fn is_repository(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separator =
        |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let part = |part: &str| {
        part.starts_with(letter) && part.ends_with(letter) && part.split(letter).all(separator)
    };
    text.len() <= REPOSITORY_MAX && text.split('/').all(part)
}

/// Whether an OCI registry can have this tag.
pub(super) fn is_tag(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let other = |byte: u8| first(byte) || byte == b'.' || byte == b'-';
    text.len() <= TAG_MAX && text.bytes().next().is_some_and(first) && text.bytes().all(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries() {
        let plain: Registry = "Registry.Example:5000".parse().unwrap();
        assert_eq!(
            (plain.authority.as_str(), plain.prefix.as_str()),
            ("registry.example:5000", "")
        );
        let prefixed: Registry = "registry.example/flyte/packages".parse().unwrap();
        assert_eq!(prefixed.prefix, "flyte/packages");
        assert_eq!(prefixed.repository("team/pkg"), "flyte/packages/team/pkg");
        for bad in [
            "",
            "https://host",
            "host/",
            "host:0",
            "host:99999",
            "ho st",
            "-host",
            "host/Upper",
            "u:p@host",
            "host..a",
        ] {
            assert!(bad.parse::<Registry>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_prefix_ends_where_a_part_ends() {
        let registry: Registry = "host/team".parse().unwrap();
        assert!(registry.holds("host", "team/pkg"));
        assert!(registry.holds("host", "team"));
        assert!(!registry.holds("host", "teammate/pkg"));
        assert!(!registry.holds("host:443", "team/pkg"));
    }

    #[test]
    fn repositories_and_tags() {
        for good in ["a", "a/b", "a.b_c__d---e/f0"] {
            assert!(is_repository(good), "{good}");
        }
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "A",
            "a..b",
            "a___b",
            "a.-b",
            "-a",
            "a-",
            "..",
            "a/../b",
            "ä",
            &"a".repeat(256),
        ] {
            assert!(!is_repository(bad), "{bad}");
        }
        assert!(is_tag("v1.0-rc_1") && is_tag("_"));
        for bad in ["", ".a", "-a", "a+b", "a~b", "a/b", &"a".repeat(129)] {
            assert!(!is_tag(bad), "{bad}");
        }
    }
}

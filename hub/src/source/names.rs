//! The names that OCI registries go by: hosts, repositories, tags, digests. Pure.
//!
//! Read more strictly than Docker does: there is no default host, no `library/`, no `latest`.

use std::{fmt, io, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Longest repository that registries take (distribution's limit).
const REPOSITORY_MAX: usize = 255;
/// Longest tag (OCI distribution specification).
const TAG_MAX: usize = 128;

/// `sha256:` and 64 lower-case hexadecimal digits. It can stand in a URL and in a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// The digest that `text` is, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (hex.len() == 64 && hex.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(Sha256::new_with_prefix(bytes))
    }

    /// The digest and the size of everything in `reader`.
    pub fn of_reader(reader: &mut impl io::Read) -> io::Result<(Self, u64)> {
        let mut hasher = HashWriter(Sha256::new());
        let size = io::copy(reader, &mut hasher)?;
        Ok((Self::finish(hasher.0), size))
    }

    /// The digest of what went into `hasher`.
    pub(super) fn finish(hasher: Sha256) -> Self {
        Self(format!("sha256:{}", hex::encode(hasher.finalize())))
    }

    /// The digits alone.
    pub fn hex(&self) -> &str {
        &self.0["sha256:".len()..]
    }

    /// As in a manifest.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

struct HashWriter(Sha256);

impl io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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

/// `oci://host[:port]/repository[:tag][@sha256:…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciUri {
    /// `host[:port]`, in lower case.
    pub authority: String,
    /// The repository, with all its parts.
    pub repository: String,
    /// The tag, if there is one.
    pub tag: Option<String>,
    /// The digest of the manifest, if there is one.
    pub digest: Option<Digest>,
}

impl FromStr for OciUri {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text
            .strip_prefix("oci://")
            .ok_or("must begin with oci://")?;
        let (rest, digest) = match rest.split_once('@') {
            None => (rest, None),
            Some((rest, digest)) => (
                rest,
                Some(Digest::parse(digest).ok_or("has a digest that is not sha256")?),
            ),
        };
        let (host, path) = rest.split_once('/').ok_or("names no repository")?;
        let (repository, tag) = match path.split_once(':') {
            None => (path, None),
            Some((repository, tag)) => (repository, Some(tag)),
        };
        if !is_repository(repository) {
            return Err("names a repository that no OCI registry can have");
        }
        if !tag.is_none_or(is_tag) {
            return Err("has a tag that no OCI registry can have");
        }
        Ok(Self {
            authority: authority(host).ok_or("names no valid host")?,
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
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

    #[test]
    fn uris() {
        let hex = "0".repeat(64);
        let uri: OciUri = format!("oci://host:5000/a/b:v1@sha256:{hex}")
            .parse()
            .unwrap();
        assert_eq!(uri.authority, "host:5000");
        assert_eq!(uri.repository, "a/b");
        assert_eq!(uri.tag.as_deref(), Some("v1"));
        assert_eq!(uri.digest.unwrap().hex(), hex);
        for bad in [
            "host/a",
            "oci://host",
            "oci://host/",
            "oci://host/a:",
            "oci://host/a@sha256:12",
            "oci://host/a:b:c",
        ] {
            assert!(bad.parse::<OciUri>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_lower_case_sha256() {
        assert_eq!(
            Digest::of(b"").hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let hex = "a".repeat(64);
        assert!(Digest::parse(&format!("sha256:{hex}")).is_some());
        for bad in [
            format!("sha256:{}", "A".repeat(64)),
            format!("sha512:{hex}"),
            "sha256:../../etc".to_owned(),
        ] {
            assert!(Digest::parse(&bad).is_none(), "{bad}");
        }
    }
}

//! Sources of files.

use serde::{Deserialize, Serialize};

use super::{BaseUrl, ConnectionConfig, CredentialsConfig};

/// An Artifactory with generic repositories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactoryConfig {
    /// Artifactory's root, for example `https://artifacts.example/artifactory`.
    pub url: BaseUrl,
    /// `repository[/path]` that relative package URIs lie below, and beyond which the source does
    /// not reach. Left out: all of Artifactory.
    #[serde(default)]
    pub prefix: Prefix,
    /// How it is reached. Flattened: what neither has is refused here, with its name.
    #[serde(flatten)]
    pub connection: ConnectionConfig,
    /// What it is shown.
    #[serde(flatten)]
    pub credentials: CredentialsConfig,
}

/// Any HTTP server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpConfig {
    /// What relative package URIs lie below, and beyond which the source does not reach.
    pub url: BaseUrl,
    /// How it is reached. Flattened: what neither has is refused here, with its name.
    #[serde(flatten)]
    pub connection: ConnectionConfig,
    /// What it is shown.
    #[serde(flatten)]
    pub credentials: CredentialsConfig,
}

/// A path of plain names, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

impl Prefix {
    /// As in a URL, without a slash at either end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Prefix {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || "._~+-".contains(c);
        let name =
            |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
        if text.is_empty() || text.split('/').all(name) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be repository[/path], of letters, digits and . _ ~ + -")
        }
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifactory_prefixes() {
        assert_eq!(
            Prefix::try_from("/repo/dir/".to_owned()).unwrap().as_str(),
            "repo/dir"
        );
        for bad in ["..", "a/../b", "a//b", "a b", "a%2fb", "a?b"] {
            assert!(Prefix::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}

//! With what FlyteAdmin is told who we are.

use std::path::PathBuf;

use serde::Deserialize;
use thiserror::Error;
use tonic::metadata::AsciiMetadataKey;
use url::Url;

/// A client of FlyteAdmin's authorization server (OAuth 2 client credentials).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuthConfig {
    /// The client's id.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The file with the client's id, instead of `clientId`.
    #[serde(default)]
    pub client_id_file: Option<PathBuf>,
    /// The file with the client's secret. Read whenever a token is asked for.
    pub client_secret_file: PathBuf,
    /// Scopes to ask for. Empty: those that FlyteAdmin tells its clients to ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The audience to ask for, where the authorization server wants to know. FlyteAdmin's
    /// own refuses it.
    #[serde(default)]
    pub audience: Option<String>,
    /// Where tokens are given out, if not where FlyteAdmin says.
    #[serde(default)]
    pub token_url: Option<String>,
    /// The header for the token, if not the one that FlyteAdmin says.
    #[serde(default)]
    pub authorization_header: Option<String>,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthConfigError {
    /// Nobody, or two.
    #[error("auth needs one of clientId and clientIdFile")]
    Client,
    /// RFC 6749, 3.3.
    #[error("auth.scopes must be words without spaces and quotes")]
    Scope,
    /// Not a URL that may be asked for a token.
    #[error("auth.tokenUrl must be an https URL, or http if insecure is set")]
    TokenUrl,
    /// Not a header, or one that gRPC has a use for.
    #[error("auth.authorizationHeader cannot be sent with gRPC")]
    Header,
}

impl AuthConfig {
    /// Checks what can be checked without touching a file or the network.
    pub(in crate::registrar) fn check(&self, insecure: bool) -> Result<(), AuthConfigError> {
        let id = self.client_id.as_deref().map(|id| !id.is_empty());
        if !matches!(
            (id, &self.client_id_file),
            (Some(true), None) | (None, Some(_))
        ) {
            return Err(AuthConfigError::Client);
        }
        if !self.scopes.iter().all(|scope| is_scope(scope)) {
            return Err(AuthConfigError::Scope);
        }
        if let Some(url) = &self.token_url {
            token_url(url, insecure).ok_or(AuthConfigError::TokenUrl)?;
        }
        if let Some(name) = &self.authorization_header {
            header(name).ok_or(AuthConfigError::Header)?;
        }
        Ok(())
    }
}

/// Whether this is a scope as RFC 6749, 3.3 has it.
pub(super) fn is_scope(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    (1..=256).contains(&text.len()) && text.chars().all(fits)
}

/// A URL that the client's secret may be sent to: never in plaintext unless FlyteAdmin
/// itself is spoken to in plaintext.
pub(super) fn token_url(text: &str, insecure: bool) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let scheme = url.scheme() == "https" || insecure && url.scheme() == "http";
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (scheme && plain && url.has_host() && text.len() <= 2048).then_some(url)
}

/// A header that a token may be sent under.
pub(super) fn header(name: &str) -> Option<AsciiMetadataKey> {
    const TAKEN: [&str; 6] = [
        "content-type",
        "host",
        "te",
        "user-agent",
        "connection",
        "content-length",
    ];
    let name = name.to_ascii_lowercase();
    let taken = TAKEN.contains(&name.as_str()) || name.starts_with("grpc-");
    if taken || name.len() > 128 {
        return None;
    }
    AsciiMetadataKey::from_bytes(name.as_bytes()).ok() // not for those that end in -bin
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(change: &serde_json::Value, insecure: bool) -> Result<(), AuthConfigError> {
        let mut config = json!({"clientId": "hub", "clientSecretFile": "/secret"});
        for (key, value) in change.as_object().unwrap() {
            config[key] = value.clone();
        }
        let config: AuthConfig = serde_json::from_value(config).unwrap();
        config.check(insecure)
    }

    #[test]
    fn one_client() {
        assert_eq!(checked(&json!({}), false), Ok(()));
        let file = json!({"clientId": null, "clientIdFile": "/id"});
        assert_eq!(checked(&file, false), Ok(()));
        for wrong in [
            json!({"clientIdFile": "/id"}),
            json!({"clientId": null}),
            json!({"clientId": ""}),
        ] {
            assert_eq!(
                checked(&wrong, false),
                Err(AuthConfigError::Client),
                "{wrong}"
            );
        }
    }

    #[test]
    fn scopes_are_words() {
        assert_eq!(
            checked(&json!({"scopes": ["all", "api://x/.default"]}), false),
            Ok(())
        );
        for wrong in ["", "all offline", "a\"", "ä", "a\n"] {
            let wrong = json!({"scopes": ["all", wrong]});
            assert_eq!(
                checked(&wrong, false),
                Err(AuthConfigError::Scope),
                "{wrong}"
            );
        }
    }

    #[test]
    fn tokens_come_over_https() {
        let url = |url: &str, insecure| checked(&json!({"tokenUrl": url}), insecure);
        assert_eq!(url("https://idp.example/token", false), Ok(()));
        assert_eq!(url("http://idp.example/token", true), Ok(()));
        for wrong in [
            "http://idp.example/token",
            "https://u:p@idp.example/token",
            "ftp://a",
            "idp",
        ] {
            assert_eq!(url(wrong, false), Err(AuthConfigError::TokenUrl), "{wrong}");
        }
    }

    #[test]
    fn headers_that_can_be_sent() {
        let header = |name: &str| checked(&json!({"authorizationHeader": name}), false);
        for name in ["authorization", "Flyte-Authorization"] {
            assert_eq!(header(name), Ok(()));
        }
        for name in ["", "grpc-timeout", "te", "token-bin", "a b", "Content-Type"] {
            assert_eq!(header(name), Err(AuthConfigError::Header), "{name}");
        }
    }
}

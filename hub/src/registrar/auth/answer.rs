//! What a token endpoint answers, and the token in it.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tonic::metadata::AsciiMetadataValue;

/// Longest token. FlyteAdmin takes headers of 16 KiB in all, hyper as many.
const TOKEN_MAX: usize = 12 << 10;
/// How long a token lasts that does not say so; it is replaced anyway when it is refused.
const LIFE_DEFAULT: u64 = 300;
/// The longest that a token is kept, in seconds.
const LIFE_MAX: u64 = 86_400;
/// How long before its expiry a token is not used any more, at most: calls take time, and
/// clocks differ.
const MARGIN: Duration = Duration::from_secs(10);

/// A token.
#[derive(Debug)]
pub(super) struct Token {
    /// For the header.
    pub(super) value: AsciiMetadataValue,
    /// When it was asked for.
    pub(super) asked: Instant,
    /// How long it may be used from then on.
    pub(super) lasts: Duration,
}

/// What a token endpoint answers, well or not (RFC 6749, 5.1 and 5.2).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    access_token: Option<SecretString>,
    token_type: Option<String>,
    /// A number; some write it as text.
    expires_in: Value,
    scope: Option<String>,
    pub(super) error: Option<String>,
}

impl Answer {
    /// The code of its error, if it is one of RFC 6749, 5.2, and nothing that quotes the request.
    pub(super) fn code(self) -> Option<String> {
        self.error.filter(|error| is_code(error))
    }

    /// The token that was asked for at `asked`, or why there is none.
    pub(super) fn token(self, asked: Instant) -> Result<Token, &'static str> {
        if self
            .token_type
            .is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer"))
        {
            return Err("it is no bearer token");
        }
        // Left out, it is what was asked for (RFC 6749, 5.1).
        if self.scope.is_some_and(|scope| scope.trim().is_empty()) {
            return Err("it has no scope");
        }
        let token = self
            .access_token
            .filter(|token| !token.expose_secret().is_empty());
        let token = token.ok_or("the answer holds none")?;
        if token.expose_secret().len() > TOKEN_MAX {
            return Err("it is too long");
        }
        let value = AsciiMetadataValue::try_from(format!("Bearer {}", token.expose_secret()));
        let mut value = value.map_err(|_| "it cannot stand in a header")?;
        value.set_sensitive(true);
        Ok(Token {
            value,
            asked,
            lasts: lasts(&self.expires_in),
        })
    }
}

fn is_code(text: &str) -> bool {
    text.len() <= 40 && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// How long a token with this `expires_in` is used.
fn lasts(expires_in: &Value) -> Duration {
    let text = expires_in.as_str().and_then(|text| text.parse().ok());
    let seconds = expires_in.as_u64().or(text).unwrap_or(LIFE_DEFAULT);
    let life = Duration::from_secs(seconds.min(LIFE_MAX));
    life.saturating_sub(MARGIN.min(life / 5))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_are_used_until_shortly_before_they_expire() {
        for (expires_in, millis) in [
            (json!(4), 3_200),
            (json!(1800), 1_790_000),
            (json!("1800"), 1_790_000),
            (json!(0), 0),
            (json!(null), 290_000),
            (json!(-1), 290_000),
            (json!(u64::MAX), 86_390_000),
        ] {
            assert_eq!(lasts(&expires_in).as_millis(), millis, "{expires_in}");
        }
    }

    #[test]
    fn codes_quote_nothing() {
        assert!(is_code("invalid_client"));
        assert!(!is_code("no client with secret s3cret"));
        assert!(!is_code(&"x".repeat(41)));
    }
}

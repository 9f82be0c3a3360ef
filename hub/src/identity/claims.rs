//! What a token says, and what it must say.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;

use super::Refusal;

/// By how much the clock of an issuer may be ahead of ours. Behind is no matter: a token is good for
/// minutes at least, and replaced long before its end.
const AHEAD: Duration = Duration::from_mins(1);
/// Most of a claimed name that is shown, in bytes.
const SHOWN_MAX: usize = 256;

/// The claims of a token that matter here (RFC 7519).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// Who issued it.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// Whose it is.
    #[serde(rename = "sub")]
    pub subject: String,
    /// Whom it is for.
    #[serde(rename = "aud")]
    pub audience: Audience,
    /// When it expires, in seconds since 1970. Without it, a token is malformed.
    #[serde(rename = "exp")]
    pub expires: i64,
    /// Since when it is good.
    #[serde(rename = "nbf")]
    pub not_before: Option<i64>,
    /// When it was issued.
    #[serde(rename = "iat")]
    pub issued: Option<i64>,
}

/// One or many.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Any of them.
    Many(Vec<String>),
}

/// What the configuration demands of a cluster's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `iss`.
    pub issuer: String,
    /// `sub`, as `system:serviceaccount:<namespace>:<name>`.
    pub subject: String,
    /// Must be among `aud`.
    pub audience: String,
}

/// How long a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// From when.
    pub issued: Timestamp,
    /// Until when.
    pub expires: Timestamp,
}

impl Claims {
    /// Checks them against `rules` at `now`. Whoever calls it has verified the signature.
    pub fn check(&self, rules: &Rules, now: Timestamp) -> Result<Lifetime, Refusal> {
        if self.issuer != rules.issuer {
            return Err(Refusal::Issuer);
        }
        if self.subject != rules.subject {
            return Err(Refusal::Subject);
        }
        if !self.audience.has(&rules.audience) {
            return Err(Refusal::Audience);
        }
        let expires = time(self.expires)?;
        if expires <= now {
            return Err(Refusal::Expired);
        }
        let begins = self.not_before.map(time).transpose()?;
        let issued = self.issued.map(time).transpose()?;
        let late =
            |begin: &Timestamp| begin.duration_since(now) > AHEAD.try_into().unwrap_or_default();
        if begins.iter().chain(&issued).any(late) {
            return Err(Refusal::NotYetValid);
        }
        Ok(Lifetime {
            issued: issued.or(begins).unwrap_or(now),
            expires,
        })
    }
}

fn time(seconds: i64) -> Result<Timestamp, Refusal> {
    Timestamp::from_second(seconds).map_err(|_| Refusal::Malformed("a time out of range"))
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

/// For the log: strangers choose these names.
impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| flyte_registration_crd::bounded(text, SHOWN_MAX);
        let (subject, issuer) = (shown(&self.subject), shown(&self.issuer));
        write!(f, "{} of {}", subject.escape_debug(), issuer.escape_debug())
    }
}

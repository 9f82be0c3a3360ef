//! Tokens for the private registries of ECR.
//!
//! ECR takes the user `AWS` with a password that its API hands out to whom IAM allows, for twelve
//! hours. It is kept until shortly before its end, and asked for once by all that wait for it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use flyte_registration_crd::Reason;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};

use super::{ConnectionConfig, client::ClientError, credentials::Credentials, error::Failure};
use crate::flight::Flights;

mod api;
mod config;
mod host;
mod refusal;

use api::Api;
pub use config::EcrConfig;
pub(crate) use host::EcrHost;

/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_mins(5);
/// A token is used for so long at least, whatever the hub's clock makes of its end: one that has
/// ended is refused, and then renewed.
const LIFE_MIN: Duration = Duration::from_mins(1);
/// A token that AWS has given later than this ago has not ended when it is refused. Renewing it
/// would ask AWS once for each package of a registry that refuses all.
const RENEWED_AFTER: Duration = Duration::from_secs(10);

/// The tokens for one registry.
pub(crate) struct Ecr {
    api: Arc<Api>,
    kept: Arc<Mutex<Option<Kept>>>,
    fetching: Flights<(), Result<Credentials, Failure>>,
}

struct Kept {
    credentials: Credentials,
    since: Instant,
    until: Instant,
}

/// What ECR's API hands out.
struct Given {
    /// The user and the password.
    credentials: Credentials,
    /// Their end, if it is known.
    until: Option<SystemTime>,
}

impl fmt::Debug for Ecr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ecr").finish_non_exhaustive()
    }
}

impl Ecr {
    /// Tokens for the registry at `authority` (`host[:port]`). Nothing is asked for yet.
    pub(super) fn new(
        authority: &str,
        config: &EcrConfig,
        connection: &ConnectionConfig,
    ) -> Result<Self, ClientError> {
        let host = EcrHost::parse(authority).ok_or(ClientError::NoEcr)?;
        Ok(Self {
            api: Arc::new(Api::new(host, config.clone(), connection)?),
            kept: Arc::default(),
            fetching: Flights::default(),
        })
    }

    /// User and password, valid as far as is known.
    pub(super) async fn credentials(&self) -> Result<Credentials, Failure> {
        if let Some(kept) = &*self.kept.lock()
            && kept.until > Instant::now()
        {
            return Ok(kept.credentials.clone());
        }
        let (api, place) = (Arc::clone(&self.api), Arc::clone(&self.kept));
        let fetch = || async move {
            let given = api.token().await?;
            let kept = Kept::new(given, Instant::now(), SystemTime::now());
            let credentials = kept.credentials.clone();
            *place.lock() = Some(kept);
            Ok(credentials)
        };
        self.fetching.join((), fetch).await
    }

    /// Forgets what the registry has refused, so that the next are others; says whether it did.
    pub(super) fn forget(&self, refused: &Credentials) -> bool {
        let mut kept = self.kept.lock();
        let stale = kept.as_ref().is_some_and(|kept| {
            kept.credentials == *refused && kept.since.elapsed() >= RENEWED_AFTER
        });
        if stale {
            *kept = None;
        }
        stale
    }
}

impl Kept {
    fn new(given: Given, since: Instant, now: SystemTime) -> Self {
        let left = given.until.and_then(|end| end.duration_since(now).ok());
        let life = left.unwrap_or_default().saturating_sub(MARGIN);
        Self {
            credentials: given.credentials,
            since,
            until: since + life.clamp(LIFE_MIN, Duration::from_hours(12)),
        }
    }
}

/// `user:password` in base64, as ECR hands it out.
fn decode(token: &SecretString) -> Option<Credentials> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let text = String::from_utf8(STANDARD.decode(token.expose_secret()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    Some(Credentials {
        username: username.into(),
        password: password.into(),
    })
}

fn unavailable(problem: &str) -> Failure {
    Failure::new(Reason::SourceUnavailable, format!("AWS {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ecr_token_is_kept_until_shortly_before_its_end() {
        let (since, now) = (Instant::now(), SystemTime::now());
        let life = |until| {
            let credentials = decode(&"QVdTOnNlY3JldA==".into()).unwrap();
            Kept::new(Given { credentials, until }, since, now).until - since
        };
        let hours = |hours| Duration::from_hours(hours);
        assert_eq!(life(Some(now + hours(11) + MARGIN)), hours(11));
        assert_eq!(life(Some(now + hours(1000))), hours(12));
        // The clocks differ, or nothing is said.
        assert_eq!(life(Some(now - hours(1))), LIFE_MIN);
        assert_eq!(life(None), LIFE_MIN);
    }

    #[test]
    fn an_ecr_token_is_user_and_password() {
        let read = decode(&"QVdTOnM6aHVzaA==".into()).unwrap();
        assert_eq!(read.username.expose_secret(), "AWS");
        assert_eq!(read.password.expose_secret(), "s:hush");
        assert!(decode(&"QVdT".into()).is_none());
        assert!(decode(&"%".into()).is_none());
        assert!(!format!("{read:?}").contains("hush"));
    }
}

//! Authentication to one FlyteAdmin: a token for every call, asked for once.
//!
//! The token is kept in memory until shortly before it expires, and replaced once when
//! FlyteAdmin refuses it. Whoever needs a new one at the same time shares it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tonic::{
    Request, Status,
    metadata::{AsciiMetadataKey, AsciiMetadataValue},
};

use self::{discovery::Discovery, error::Cause, grant::Grant};
use super::{EndpointError, FlyteAdminConfig, wire::Lenient};
use crate::flight::Flights;

mod answer;
mod config;
mod discovery;
mod error;
mod grant;

pub use config::{AuthConfig, AuthConfigError};
pub(super) use error::AuthError;

/// What the calls to one FlyteAdmin go with.
pub(super) struct Auth {
    getting: Arc<Getting>,
    flights: Flights<(), Result<Held, AuthError>>,
}

/// All that it takes to get a token.
struct Getting {
    discovery: Discovery,
    grant: Grant,
    timeout: Duration,
    held: Mutex<Option<Held>>,
}

/// What a call goes with.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Counts what was got, so that what was refused can be told from what came after it.
    number: u64,
    pass: Pass,
    until: Option<Instant>,
}

#[derive(Clone, Debug)]
enum Pass {
    /// FlyteAdmin asks for no token.
    None,
    /// The header. Its value is marked as sensitive, which keeps it out of all logs.
    Header(AsciiMetadataKey, AsciiMetadataValue),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

impl Held {
    /// Puts the token on a request.
    pub(super) fn put<T>(&self, request: &mut Request<T>) {
        if let Pass::Header(name, value) = &self.pass {
            request.metadata_mut().insert(name.clone(), value.clone());
        }
    }
}

impl Auth {
    /// By a FlyteAdmin's configuration, over the channel to it; `None` if calls to it go
    /// without a token.
    pub(super) fn new(
        config: &FlyteAdminConfig,
        channel: Lenient,
    ) -> Result<Option<Self>, EndpointError> {
        let Some(auth) = &config.auth else {
            return Ok(None);
        };
        let getting = Getting {
            discovery: Discovery::new(auth, channel),
            grant: Grant::new(auth, config)?,
            timeout: config.call_timeout,
            held: Mutex::new(None),
        };
        Ok(Some(Self {
            getting: Arc::new(getting),
            flights: Flights::default(),
        }))
    }

    /// What to send with the next call.
    pub(super) async fn held(&self) -> Result<Held, AuthError> {
        self.newer_than(None).await
    }

    /// What to send with a call instead of what FlyteAdmin refused.
    pub(super) async fn instead_of(&self, refused: &Held) -> Result<Held, AuthError> {
        self.newer_than(Some(refused.number)).await
    }

    /// What FlyteAdmin means when it refuses a new token as well.
    pub(super) fn refused(held: &Held, status: &Status) -> AuthError {
        AuthError::new(match held.pass {
            Pass::None => Cause::NotTold,
            Pass::Header(..) => Cause::Refused(status.message().to_owned()),
        })
    }

    async fn newer_than(&self, refused: Option<u64>) -> Result<Held, AuthError> {
        if let Some(held) = self.getting.usable(refused) {
            return Ok(held);
        }
        let getting = Arc::clone(&self.getting);
        let get = || async move { getting.get(refused).await };
        self.flights.join((), get).await
    }
}

impl Getting {
    fn usable(&self, refused: Option<u64>) -> Option<Held> {
        let held = self.held.lock();
        let held = held.as_ref().filter(|held| {
            let fresh = held.until.is_none_or(|until| Instant::now() < until);
            fresh && refused.is_none_or(|refused| held.number > refused)
        });
        held.cloned()
    }

    async fn get(&self, refused: Option<u64>) -> Result<Held, AuthError> {
        // Another flight may have landed since the caller looked.
        if let Some(held) = self.usable(refused) {
            return Ok(held);
        }
        let got = tokio::time::timeout(self.timeout, self.ask()).await;
        let (pass, until) = got.unwrap_or(Err(AuthError::new(Cause::Late)))?;
        let mut held = self.held.lock();
        let next = Held {
            number: held.as_ref().map_or(0, |held| held.number + 1),
            pass,
            until,
        };
        *held = Some(next.clone());
        Ok(next)
    }

    async fn ask(&self) -> Result<(Pass, Option<Instant>), AuthError> {
        let Some(wanted) = self.discovery.look().await? else {
            tracing::debug!("FlyteAdmin asks for no token");
            return Ok((Pass::None, None));
        };
        let token = self.grant.token(&wanted).await?;
        tracing::debug!(lasts = ?token.lasts, "got a token for FlyteAdmin");
        let until = token.asked + token.lasts;
        Ok((Pass::Header(wanted.header, token.value), Some(until)))
    }
}

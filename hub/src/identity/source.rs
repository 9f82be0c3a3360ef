//! Where the keys of an issuer come from: kept, bounded, and fetched again where a token names one
//! that is not known.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{HttpsUrl, Keys, KeysError, TokenConfig};

mod fetch;
mod stored;

use fetch::Fetch;
use stored::{Next, Stored, Terms};

/// What a file holds is asked for no more often than this.
const OF_FILES: Terms = Terms {
    fresh: Duration::from_secs(2),
    again: Duration::from_secs(2),
    kept: Duration::from_secs(2),
};
/// Strangers can name any key: they make the hub ask no more often than each minute. While an issuer
/// cannot be asked, its keys of the last day still do, as a cluster without its API server still has
/// resources that are waited for.
const OF_ISSUERS: Terms = Terms {
    fresh: Duration::from_hours(1),
    again: Duration::from_mins(1),
    kept: Duration::from_hours(24),
};

/// The keys of one cluster's issuer.
#[derive(Debug)]
pub(super) enum KeySource {
    /// Those of the configuration.
    Given(Arc<Keys>),
    /// Those of a file or a server.
    Fetched(Box<Fetched>),
}

#[derive(Debug)]
pub(super) struct Fetched {
    from: Fetch,
    terms: Terms,
    stored: Mutex<Stored>,
    /// One at a time asks; the others wait for what it gets.
    turn: tokio::sync::Mutex<()>,
}

/// Keys that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// The file with the authorities cannot be used.
    #[error("the CA file cannot be used")]
    Authorities(#[source] crate::source::ClientError),
    /// The server cannot be asked.
    #[error("cannot ask {host}")]
    Ask {
        /// Its host.
        host: String,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
    /// It answered, but not with what was asked for.
    #[error("{0} answered {1}")]
    Status(String, u16),
    /// What it sent is too large.
    #[error("there are more bytes than {limit}")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Its discovery document cannot be used.
    #[error("the issuer's discovery document {0}")]
    Discovery(&'static str),
    /// It is no key set.
    #[error("the key set cannot be used")]
    Keys(#[from] KeysError),
    /// It was tried a moment ago.
    #[error("they could not be had a moment ago")]
    Recently,
}

impl KeySource {
    pub fn new(config: &TokenConfig) -> Self {
        let (from, terms) = match (&config.jwks, &config.jwks_file, &config.jwks_url) {
            (Some(keys), _, _) => return Self::Given(Arc::new(keys.clone())),
            (_, Some(file), _) => (Fetch::File(file.clone()), OF_FILES),
            (_, _, Some(url)) => (Fetch::url(url.clone(), config), OF_ISSUERS),
            _ => (Fetch::discovery(config), OF_ISSUERS),
        };
        Self::Fetched(Box::new(Fetched {
            from,
            terms,
            stored: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// The keys; where `id` is not among them, as new as they may be asked for.
    pub async fn keys(&self, id: &str) -> Result<Arc<Keys>, SourceError> {
        match self {
            Self::Given(keys) => Ok(Arc::clone(keys)),
            Self::Fetched(fetched) => fetched.keys(id).await,
        }
    }
}

impl Fetched {
    async fn keys(&self, id: &str) -> Result<Arc<Keys>, SourceError> {
        let next = || self.stored.lock().next(id, &self.terms, Instant::now());
        if let Next::Use(keys) = next() {
            return Ok(keys);
        }
        let _turn = self.turn.lock().await;
        match next() {
            Next::Use(keys) => return Ok(keys),
            Next::Wait => return Err(SourceError::Recently),
            Next::Fetch => self.stored.lock().tried(Instant::now()),
        }
        match self.from.keys().await {
            Ok(keys) => Ok(self.stored.lock().got(keys, Instant::now())),
            Err(error) => {
                let kept = self.stored.lock().kept(&self.terms, Instant::now());
                let chain = &error as &dyn std::error::Error;
                tracing::warn!(
                    error = chain,
                    kept = kept.is_some(),
                    "cannot get an issuer's keys"
                );
                kept.ok_or(error)
            }
        }
    }
}

impl Fetch {
    fn url(HttpsUrl(url): HttpsUrl, config: &TokenConfig) -> Self {
        Self::Url {
            url,
            ca_file: config.ca_file.clone(),
        }
    }

    fn discovery(config: &TokenConfig) -> Self {
        Self::Discovery {
            issuer: config.issuer.clone(),
            ca_file: config.ca_file.clone(),
        }
    }
}

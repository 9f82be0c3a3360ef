//! Requests that led to nothing.

use crate::source::error::Failure;

/// A request without a result.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The connection broke: worth another attempt at once.
    Broken(Failure),
    /// Anything else.
    Final(Failure),
}

impl Trouble {
    /// That of a request to `host` which got no answer, or half of one.
    pub(in crate::source) fn of(host: &str, error: reqwest::Error) -> Self {
        let broke = !(error.is_connect() || error.is_timeout() || error.is_builder());
        let failure = Failure::unreachable(host, error);
        if broke {
            Self::Broken(failure)
        } else {
            Self::Final(failure)
        }
    }

    pub(in crate::source) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let (Trouble::Broken(failure) | Trouble::Final(failure)) = trouble;
        failure
    }
}

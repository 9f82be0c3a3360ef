//! Why calls to FlyteAdmin go without a token.

use std::sync::Arc;

use flyte_registration_crd::bounded;
use http::StatusCode;
use thiserror::Error;
use tonic::{Code, Status};

/// Longest text of others that is quoted, in bytes.
pub(super) const QUOTED_MAX: usize = 160;

/// Why, and what to look at. Shared by all who wait for the same token; holds no secret.
#[derive(Clone, Debug, Error)]
#[error("{0}")]
pub(in crate::registrar) struct AuthError(Arc<Cause>);

/// Why in particular.
#[derive(Debug, Error)]
pub(super) enum Cause {
    #[error(
        "FlyteAdmin asks for authentication: set flyteAdmins.*.auth in the hub's configuration; it says: {}",
        bounded(.0, QUOTED_MAX)
    )]
    NotConfigured(String),
    #[error(
        "FlyteAdmin asks for authentication, but does not say where: check auth.tokenUrl and what stands before it"
    )]
    NotTold,
    #[error("FlyteAdmin does not say which token it wants: it answers {0:?}")]
    Discovery(Code),
    #[error(
        "there is no scope to ask for, and tokens without one may do everything: set auth.scopes"
    )]
    NoScope,
    #[error(
        "FlyteAdmin wants the token under a header that cannot be sent: set auth.authorizationHeader"
    )]
    Header,
    #[error(
        "FlyteAdmin's token endpoint is no https URL, and the secret is not sent in plaintext: set auth.tokenUrl"
    )]
    Plaintext,
    #[error(
        "the hub cannot read the client's id or secret: check auth.clientIdFile and auth.clientSecretFile ({0})"
    )]
    Files(std::io::Error),
    #[error("the token endpoint {at} cannot be reached: {why}")]
    Unreachable { at: String, why: String },
    #[error("the token endpoint {at} answers {status}{}{}", code(.error.as_deref()), advice(.error.as_deref(), *.status))]
    Denied {
        at: String,
        status: StatusCode,
        error: Option<String>,
    },
    #[error("the token endpoint {at} gives no token that can be used: {problem}")]
    Unusable { at: String, problem: &'static str },
    #[error("no token in time")]
    Late,
    #[error(
        "FlyteAdmin refuses a new token: check auth.scopes (it wants all), auth.audience and auth.clientId; it says: {}",
        bounded(.0, QUOTED_MAX)
    )]
    Refused(String),
}

fn code(error: Option<&str>) -> String {
    error.map_or_else(String::new, |error| format!(" {error}"))
}

fn advice(error: Option<&str>, status: StatusCode) -> &'static str {
    match error {
        Some("invalid_scope") => ": check auth.scopes",
        Some("invalid_target") => ": check auth.audience",
        Some("invalid_client" | "unauthorized_client") => {
            ": check auth.clientId and auth.clientSecretFile"
        }
        _ if status == StatusCode::UNAUTHORIZED => {
            ": check auth.clientId and auth.clientSecretFile"
        }
        _ if status == StatusCode::NOT_FOUND => ": check auth.tokenUrl",
        _ if status.is_client_error() => ": check auth",
        _ => "",
    }
}

impl AuthError {
    pub(super) fn new(cause: Cause) -> Self {
        Self(Arc::new(cause))
    }

    /// FlyteAdmin asks for a token, and there is no configuration for it.
    pub(in crate::registrar) fn not_configured(status: &Status) -> Self {
        Self::new(Cause::NotConfigured(status.message().to_owned()))
    }

    /// As the answer of a call: to be tried again where that may help.
    pub(in crate::registrar) fn into_status(self) -> Status {
        let code = match &*self.0 {
            Cause::Unreachable { .. } | Cause::Late => Code::Unavailable,
            Cause::Discovery(code) => match code {
                Code::Unauthenticated | Code::PermissionDenied => Code::Unauthenticated,
                _ => Code::Unavailable,
            },
            Cause::Denied { status, .. }
                if status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS =>
            {
                Code::Unavailable
            }
            _ => Code::Unauthenticated,
        };
        let mut status = Status::new(code, self.to_string());
        status.set_source(Arc::new(self));
        status
    }

    /// Whether an answer is one of these, and not FlyteAdmin's.
    pub(in crate::registrar) fn is_behind(status: &Status) -> bool {
        std::error::Error::source(status).is_some_and(<dyn std::error::Error>::is::<Self>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(status: u16, error: Option<&str>) -> Status {
        let cause = Cause::Denied {
            at: "https://idp".to_owned(),
            status: StatusCode::from_u16(status).unwrap(),
            error: error.map(str::to_owned),
        };
        AuthError::new(cause).into_status()
    }

    #[test]
    fn says_what_to_check() {
        for (status, error, code, text) in [
            (
                401,
                Some("invalid_client"),
                Code::Unauthenticated,
                "auth.clientSecretFile",
            ),
            (401, None, Code::Unauthenticated, "auth.clientSecretFile"),
            (
                400,
                Some("invalid_scope"),
                Code::Unauthenticated,
                "auth.scopes",
            ),
            (404, None, Code::Unauthenticated, "auth.tokenUrl"),
            (503, None, Code::Unavailable, "answers 503"),
            (429, None, Code::Unavailable, "answers 429"),
        ] {
            let status = denied(status, error);
            assert_eq!(status.code(), code);
            assert!(status.message().contains(text), "{}", status.message());
            assert!(AuthError::is_behind(&status));
        }
        assert!(!AuthError::is_behind(&Status::unauthenticated(
            "token parse error"
        )));
    }

    #[test]
    fn quotes_little() {
        let error = AuthError::new(Cause::Refused("x".repeat(32_000)));
        assert!(error.to_string().len() < 300);
    }
}

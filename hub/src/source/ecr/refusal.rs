//! What it means that AWS gives no token.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ecr::{
    error::{ProvideErrorMetadata, SdkError},
    operation::get_authorization_token::GetAuthorizationTokenError,
};
use aws_sdk_sts::operation::{
    assume_role::AssumeRoleError, assume_role_with_web_identity::AssumeRoleWithWebIdentityError,
};
use flyte_registration_crd::Reason;

use super::unavailable;
use crate::source::error::{Failure, breakage, quoted};

/// A service's own words on who may not do what.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Explanation(String);

/// Finds the cause of a failed call: ECR's own answer, STS' before it, or why there was none.
pub(super) fn failure(error: &SdkError<GetAuthorizationTokenError>) -> Failure {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    let mut credentials = None;
    while let Some(error) = next {
        let answered = answer::<GetAuthorizationTokenError>("ECR", error)
            .or_else(|| answer::<AssumeRoleError>("STS", error))
            .or_else(|| answer::<AssumeRoleWithWebIdentityError>("STS", error));
        if let Some(failure) = answered {
            return failure;
        }
        credentials = credentials.or(error.downcast_ref::<CredentialsError>());
        next = error.source();
    }
    match credentials {
        Some(CredentialsError::CredentialsNotLoaded(_)) => Failure::new(
            Reason::SourceUnauthorized,
            "the hub has no credentials of AWS",
        ),
        Some(CredentialsError::InvalidConfiguration(_)) => Failure::new(
            Reason::SourceUnauthorized,
            "the hub's credentials of AWS are not well configured",
        ),
        Some(CredentialsError::ProviderTimedOut(_)) => {
            unavailable("gives the hub no credentials in time")
        }
        _ if matches!(error, SdkError::TimeoutError(_)) => unavailable("does not answer in time"),
        _ => unavailable(&breakage(error)),
    }
}

/// What `service` answered, if this is an answer.
fn answer<E>(service: &str, error: &(dyn Error + 'static)) -> Option<Failure>
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let Some(SdkError::ServiceError(answer)) = error.downcast_ref::<SdkError<E>>() else {
        return None;
    };
    let (code, status) = (answer.err().code(), answer.raw().status().as_u16());
    let failure = judge(service, code.unwrap_or("no code"), status);
    // Other messages may quote the request with its keys, as that of a wrong signature does.
    let explained = code.is_some_and(|code| code.starts_with("AccessDenied"));
    Some(match answer.err().message().filter(|_| explained) {
        Some(message) => failure.because(Explanation(quoted(message))),
        None => failure,
    })
}

fn judge(service: &str, code: &str, status: u16) -> Failure {
    let told = quoted(code);
    if status == 429 || code.contains("Throttl") || code == "TooManyRequestsException" {
        let message = format!("{service} limits the rate of requests ({told})");
        Failure::new(Reason::RateLimited, message)
    } else if status >= 500 {
        unavailable(&format!("fails: {service} answers {told}"))
    } else {
        let message = format!("AWS gives the hub no token: {service} answers {told}");
        Failure::new(Reason::SourceUnauthorized, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecr_refusals_name_the_service_and_the_code() {
        for (code, status, reason) in [
            ("AccessDeniedException", 400, Reason::SourceUnauthorized),
            ("ExpiredTokenException", 400, Reason::SourceUnauthorized),
            ("AccessDenied", 403, Reason::SourceUnauthorized),
            ("ThrottlingException", 400, Reason::RateLimited),
            ("TooManyRequestsException", 429, Reason::RateLimited),
            ("ServerException", 500, Reason::SourceUnavailable),
        ] {
            let failure = judge("ECR", code, status);
            assert_eq!(failure.reason, reason, "{code}");
            let message = failure.to_string();
            assert!(
                message.contains("ECR") && message.contains(code),
                "{message}"
            );
        }
    }
}

//! Why work is not done, where it is not the registrar that says so.

use std::time::Duration;

use flyte_registration_crd::{Package, Reason};

use crate::{
    audit::Unavailable,
    fleet::{Failure, Outcome},
};

/// What `message` says, which nobody has to wait for.
pub(super) fn failure(reason: Reason, message: String) -> Failure {
    Failure {
        reason,
        message,
        rule: None,
        retry_after: None,
    }
}

/// It failed once this much of the package was known.
pub(super) fn failed(
    package: Option<Package>,
    reason: Reason,
    message: String,
    retry_after: Option<Duration>,
) -> Outcome {
    let failure = Some(Failure {
        retry_after,
        ..failure(reason, message)
    });
    Outcome {
        package,
        failure,
        ..Outcome::default()
    }
}

/// It must not be done, or told, as it cannot be put on record.
pub(super) fn unaudited(package: Option<Package>, problem: Unavailable) -> Outcome {
    failed(package, Reason::AuditUnavailable, problem.to_string(), None)
}

/// A panic somewhere below: ours to mend, so it is tried again.
pub(super) fn defect() -> Outcome {
    let message = "the hub failed at this; its log says more".to_owned();
    failed(None, Reason::FlyteUnavailable, message, None)
}

//! What FlyteAdmin means. Its codes are overloaded: `InvalidArgument` is a conflict, a
//! missing dependency or bad input, and only the text tells which. The texts are those of v1.16.8.

use flyte_registration_crd::{Reason, bounded};
use tonic::{Code, Status};

use super::{Trouble, auth::AuthError};

/// Longest text of FlyteAdmin's that is passed on, in bytes.
const TEXT_MAX: usize = 300;

/// What an answer that is not OK means for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is registered already, identical.
    Identical,
    /// Something of it is there already, perhaps half of it, perhaps another: look.
    Taken,
    /// This version is registered with other content.
    Conflict,
    /// No, for this reason.
    No(Reason),
    /// Perhaps later, in a moment.
    Later,
    /// FlyteAdmin takes no such call from us at all.
    Unusable,
}

impl Verdict {
    /// Whether the answer shows that FlyteAdmin has too much to do.
    pub(super) fn is_strain(self) -> bool {
        self == Self::Later
    }
}

/// Texts of bad input that come as Internal or Unknown, as if the server had failed.
const BAD_INPUT: [&str; 7] = [
    "json: cannot unmarshal",
    "quantities must match the regular expression",
    "grpc: error unmarshalling request",
    "failed to construct data reference for workflow closure",
    "failed database operation with index row size",
    "failed database operation with invalid byte sequence",
    "failed database operation with value too long",
];

/// Reads an answer.
pub(super) fn classify(code: Code, text: &str) -> Verdict {
    let says = |part: &str| text.contains(part);
    match code {
        Code::AlreadyExists if says("with identical structure already exists") => {
            Verdict::Identical
        }
        Code::AlreadyExists => Verdict::Taken,
        // The heading, not only the words: they may stand in a text that quotes the package.
        Code::InvalidArgument
            if says(
                " with different structure already exists. (Please register a new version of",
            ) =>
        {
            Verdict::Conflict
        }
        Code::InvalidArgument | Code::NotFound => Verdict::No(missing(text)),
        Code::ResourceExhausted if says("message larger than max") => {
            Verdict::No(Reason::PackageTooLarge)
        }
        Code::FailedPrecondition | Code::OutOfRange => Verdict::No(Reason::FlyteRejected),
        Code::Internal | Code::Unknown if BAD_INPUT.iter().any(|part| says(part)) => {
            Verdict::No(Reason::FlyteRejected)
        }
        // It is registered, but what it runs is lost or over `storage.limits.maxDownloadMBs`.
        // FlyteAdmin never mends that, while other troubles of its storage pass.
        Code::Internal
            if says("Unable to read WorkflowClosure from location ")
                && (says(": [LIMIT_EXCEEDED] ")
                    || text.ends_with(": file does not exist")
                    || text.ends_with(": not found")) =>
        {
            Verdict::No(Reason::FlyteUnavailable)
        }
        // Its storage signs no URLs, or is set up wrongly.
        Code::Internal if says("failed to create a signed url") => Verdict::Unusable,
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => Verdict::Unusable,
        _ => Verdict::Later,
    }
}

fn missing(text: &str) -> Reason {
    let says = |part: &str| text.contains(part);
    if says("missing entity of type ") || says("Code: TaskReferenceNotFound") {
        Reason::ReferenceNotFound
    } else if (text.starts_with("failed to validate that project [")
        || text.starts_with("project ["))
        && (says("] not found") || text.ends_with("] is not active"))
    {
        Reason::ProjectNotFound
    } else if text.starts_with("domain [") && text.ends_with("] is unrecognized by system") {
        Reason::DomainNotFound
    } else {
        Reason::FlyteRejected
    }
}

/// The answer as a trouble of this reason. FlyteAdmin's own text, but short and on one line.
pub(super) fn trouble(reason: Reason, status: &Status) -> Trouble {
    // "failed to compile workflow for [id] with err: " says what the entity's name says already.
    let text = status.message();
    let text = text
        .split_once("] with err: ")
        .map_or(text, |(_, text)| text);
    // Compile errors end in a line break and are indented.
    let words: Vec<&str> = text.split_whitespace().take(200).collect();
    let text = words.join(" ");
    let text = if text.is_empty() {
        status.code().description()
    } else {
        &text
    };
    let message = match reason {
        Reason::FlyteUnavailable if !AuthError::is_behind(status) => {
            format!("FlyteAdmin answers {:?}: {text}", status.code())
        }
        _ => text.to_owned(),
    };
    Trouble {
        reason,
        message: bounded(&message, TEXT_MAX),
    }
}

#[cfg(test)]
mod tests;

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
mod tests {
    use super::*;

    /// Answers of FlyteAdmin v1.16.8, as recorded.
    const RECORDED: &[(Code, &str, Verdict)] = &[
        (
            Code::AlreadyExists,
            "task with identical structure already exists",
            Verdict::Identical,
        ),
        (
            Code::AlreadyExists,
            "workflow with identical structure already exists",
            Verdict::Identical,
        ),
        (
            Code::AlreadyExists,
            "launch plan with identical structure already exists",
            Verdict::Identical,
        ),
        (
            Code::AlreadyExists,
            "value with matching already exists (duplicate key value violates unique constraint \"workflows_pkey\")",
            Verdict::Taken,
        ),
        (
            Code::AlreadyExists,
            "value with matching already exists (duplicate key value violates unique constraint \"description_entities_pkey\")",
            Verdict::Taken,
        ),
        (
            Code::InvalidArgument,
            "workflows.etl.extract task with different structure already exists. (Please register a new version of the task):\n/template/Target/Container/image:\n\t- ghcr.io/acme/etl:v1 \n\t+ ghcr.io/acme/etl:v2",
            Verdict::Conflict,
        ),
        (
            Code::InvalidArgument,
            "workflows.etl.extract task with different structure already exists. (Please register a new version of the task):\n",
            Verdict::Conflict,
        ),
        (
            Code::InvalidArgument,
            "rec.hundred workflow with different structure already exists. (Please register a new version of the workflow):\n/primary/connections:\n\t- <nil> \n\t+ map[down",
            Verdict::Conflict,
        ),
        (
            Code::InvalidArgument,
            "nightly launch plan with different structure already exists. (Please register a new version of the launch plan):\n/labels/values:\n\t- <nil> \n\t+ map[a:b]",
            Verdict::Conflict,
        ),
        (
            Code::InvalidArgument,
            "failed to compile workflow for [resource_type:WORKFLOW  project:\"flytesnacks\"  domain:\"development\"  name:\"workflows.etl.sub\"  version:\"v404\"] with err: missing entity of type TASK with identifier project:\"flytesnacks\"  domain:\"development\"  name:\"workflows.etl.extract\"  version:\"v404\"",
            Verdict::No(Reason::ReferenceNotFound),
        ),
        (
            Code::InvalidArgument,
            "failed to compile workflow for [resource_type:WORKFLOW  project:\"flytesnacks\"  domain:\"development\"  name:\"rec.w.lp-missing\"  version:\"v1\"] with err: missing entity of type LAUNCH_PLAN with identifier project:\"flytesnacks\"  domain:\"development\"  name:\"rec.tiny-plan\"  version:\"v1\"",
            Verdict::No(Reason::ReferenceNotFound),
        ),
        (
            Code::InvalidArgument,
            "failed to compile workflow for [resource_type:WORKFLOW  project:\"flytesnacks\"  domain:\"development\"  name:\"rec.w.ref-unfilled\"  version:\"v1\"] with err: Collected Errors: 1\n\tError 0: Code: TaskReferenceNotFound, Node Id: start-node, Description: Referenced Task [resource_type:TASK  name:\"rec.noop\"] not found.\n",
            Verdict::No(Reason::ReferenceNotFound),
        ),
        (
            Code::NotFound,
            "missing entity of type WORKFLOW with identifier project:\"flytesnacks\"  domain:\"development\"  name:\"rec.missing\"  version:\"v1\"",
            Verdict::No(Reason::ReferenceNotFound),
        ),
        (
            Code::InvalidArgument,
            "failed to validate that project [nope] and domain [development] are registered, err: [project [nope] not found]",
            Verdict::No(Reason::ProjectNotFound),
        ),
        (
            Code::InvalidArgument,
            "project [rec-archived] is not active",
            Verdict::No(Reason::ProjectNotFound),
        ),
        (
            Code::NotFound,
            "project [nope] not found",
            Verdict::No(Reason::ProjectNotFound),
        ),
        (
            Code::InvalidArgument,
            "domain [qa] is unrecognized by system",
            Verdict::No(Reason::DomainNotFound),
        ),
        (
            Code::InvalidArgument,
            "missing name",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::InvalidArgument,
            "task failed compilation with Collected Errors: 1\n\tError 0: Code: ValueRequired, Node Id: container, Description: Value required [command].\n",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::InvalidArgument,
            "Requested CPU default [3] is greater than current limit set in the platform configuration [2]. Please contact Flyte Admins to change these limits or consult the configuration",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::InvalidArgument,
            "number of nodes in workflow [resource_type:WORKFLOW  project:\"flytesnacks\"  domain:\"development\"  name:\"rec.hundred-one\"  version:\"v1\"] exceeds limit (101 > 100)",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::InvalidArgument,
            "Invalid cron expression: expected exactly 5 fields, found 3: [not a cron]",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::InvalidArgument,
            "failed to compile workflow for [x] with err: Collected Errors: 2\n\tError 0: Code: NodeReferenceNotFound, Node Id: n9, Description: Referenced node [n9] not found.\n",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::ResourceExhausted,
            "grpc: received message larger than max (4194305 vs. 4194304)",
            Verdict::No(Reason::PackageTooLarge),
        ),
        (
            Code::Internal,
            "json: cannot unmarshal string into Go struct field PodSpec.containers of type []v1.Container",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::Internal,
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::Internal,
            "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::Unknown,
            "failed database operation with index row size 3880 exceeds btree version 4 maximum 2704 for index \"tasks_pkey\"",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::Unknown,
            "failed database operation with invalid byte sequence for encoding \"UTF8\": 0x00",
            Verdict::No(Reason::FlyteRejected),
        ),
        (
            Code::Internal,
            "failed database operation with FATAL: sorry, too many clients already (53300)",
            Verdict::Later,
        ),
        (
            Code::Internal,
            "Unable to read WorkflowClosure from location s3://conformance/metadata/admin/flytesnacks/development/rec.big/v1 : path:s3://conformance/metadata/admin/flytesnacks/development/rec.big/v1: [LIMIT_EXCEEDED] limit exceeded. 2.447179mb > 2mb. You can increase the limit by setting maxDownloadMBs.",
            Verdict::No(Reason::FlyteUnavailable),
        ),
        (
            Code::Internal,
            "Unable to read WorkflowClosure from location s3://conformance/metadata/admin/p/d/w/v1 : path:s3://conformance/metadata/admin/p/d/w/v1: connection refused",
            Verdict::Later,
        ),
        (Code::Internal, "", Verdict::Later),
        (
            Code::Unavailable,
            "error reading from server: EOF",
            Verdict::Later,
        ),
        (
            Code::DeadlineExceeded,
            "context deadline exceeded",
            Verdict::Later,
        ),
        (
            Code::Unimplemented,
            "unknown service flyteidl.service.AdminService",
            Verdict::Unusable,
        ),
        (
            Code::Unauthenticated,
            "token parse error",
            Verdict::Unusable,
        ),
    ];

    #[test]
    fn recorded_answers() {
        for (code, text, verdict) in RECORDED {
            assert_eq!(classify(*code, text), *verdict, "{code:?} {text}");
        }
    }

    #[test]
    fn a_package_that_quotes_a_conflict_is_none() {
        let text = "failed to compile workflow for [name:\"with different structure already exists\"] with err: Collected Errors: 1";
        let verdict = classify(Code::InvalidArgument, text);
        assert_eq!(verdict, Verdict::No(Reason::FlyteRejected));
    }

    #[test]
    fn texts_are_short_and_on_one_line() {
        let status = Status::invalid_argument("one\n\tError 0:   two\n");
        let trouble = trouble(Reason::FlyteRejected, &status);
        assert_eq!(trouble.message, "one Error 0: two");
        let status = Status::invalid_argument(
            "failed to compile workflow for [name:\"w\"] with err: missing entity of type TASK",
        );
        let trouble = super::trouble(Reason::ReferenceNotFound, &status);
        assert_eq!(trouble.message, "missing entity of type TASK");
        let status = Status::unavailable("x".repeat(32_000));
        let trouble = super::trouble(Reason::FlyteUnavailable, &status);
        assert!(trouble.message.len() <= TEXT_MAX);
        assert!(
            trouble
                .message
                .starts_with("FlyteAdmin answers Unavailable: xxx")
        );
    }
}

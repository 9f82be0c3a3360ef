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

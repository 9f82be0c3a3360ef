//! Descriptions that FlyteAdmin left behind.
//!
//! FlyteAdmin writes a workflow's description and then the workflow, each for good
//! (`WorkflowRepo.Create` in `flyteadmin/pkg/repositories/gormimpl/workflow_repo.go`). What fails
//! in between, be it by our own deadline, leaves a description without a workflow. From then
//! on `CreateWorkflow` says that it exists, and `GetWorkflow` that it does not. Without a
//! description the same request succeeds: digests do not cover it. Tasks do not need this:
//! theirs is written after the task.

use bytes::Bytes;
use flyte_registration_crd::EntityType;
use prost::Message;
use tonic::Status;

use super::compare;
use crate::package::Planned;

/// What is said of a workflow that was registered so.
pub(super) const TOLD: &str =
    "registered without its description, as FlyteAdmin kept one of an attempt that failed";

/// Whether the answer is about a description, not about what it describes.
pub(super) fn is_behind(status: &Status) -> bool {
    status.message().contains("description_entities")
}

/// The Create of a workflow with a description, without it.
pub(super) fn without_description(entity: &Planned) -> Option<Bytes> {
    if entity.kind != EntityType::Workflow {
        return None;
    }
    let mut request = compare::request(entity.kind, &entity.request)?;
    let spec = request.get_field_by_name_mut("spec")?.as_message_mut()?;
    if !spec.has_field_by_name("description") {
        return None;
    }
    spec.clear_field_by_name("description");
    Some(request.encode_to_vec().into())
}

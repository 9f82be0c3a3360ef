//! What FlyteAdmin holds under an entity's id.

use bytes::Bytes;
use flyte_registration_crd::{EntityType, Reason};
use flyte_registration_proto::flyteidl::{admin::ObjectGetRequest, descriptor_pool};
use prost::Message;
use prost_reflect::DynamicMessage;
use tonic::{Code, Status};

use super::{
    admin::{Admin, Method},
    classify::{Verdict, classify},
    patience::{Patience, patiently},
};
use crate::package::{Id, field, text};

/// What FlyteAdmin answers when it is asked for an entity.
#[derive(Debug)]
pub(super) enum Held {
    /// This.
    Entity(DynamicMessage),
    /// That there is none.
    Absent,
    /// Something else that does not get better.
    Unknown,
}

/// Asks for an entity: an `admin.Task`, `Workflow` or `LaunchPlan`.
pub(super) async fn held(
    admin: &Admin,
    patience: &Patience,
    kind: EntityType,
    id: &Id,
) -> Result<Held, Status> {
    // `GetTask` takes an empty part for any, and answers with some task.
    if !is_whole(id) {
        return Ok(Held::Absent);
    }
    let request = ObjectGetRequest {
        id: Some(id.to_proto(kind)),
    };
    let request: Bytes = request.encode_to_vec().into();
    let method = Method::get(kind);
    let bytes = match patiently(patience, || admin.call(method, request.clone())).await {
        Ok(bytes) => bytes,
        Err(status) => {
            return match classify(status.code(), status.message()) {
                Verdict::Later | Verdict::Unusable | Verdict::No(Reason::FlyteUnavailable) => {
                    Err(status)
                }
                _ if status.code() == Code::NotFound => Ok(Held::Absent),
                _ => Ok(Held::Unknown),
            };
        }
    };
    let name = match kind {
        EntityType::Task => "flyteidl.admin.Task",
        EntityType::Workflow => "flyteidl.admin.Workflow",
        EntityType::LaunchPlan => "flyteidl.admin.LaunchPlan",
    };
    let held = descriptor_pool()
        .get_message_by_name(name)
        .and_then(|descriptor| DynamicMessage::decode(descriptor, bytes).ok())
        .filter(|held| field(held, "id").is_some_and(|other| is(other, id)));
    Ok(held.map_or(Held::Unknown, Held::Entity))
}

/// Whether no part of it is empty, which FlyteAdmin takes for any in some calls.
pub(super) fn is_whole(id: &Id) -> bool {
    ![&id.project, &id.domain, &id.name, &id.version]
        .iter()
        .any(|part| part.is_empty())
}

fn is(message: &DynamicMessage, id: &Id) -> bool {
    [
        ("project", &id.project),
        ("domain", &id.domain),
        ("name", &id.name),
        ("version", &id.version),
    ]
    .iter()
    .all(|(name, part)| text(message, name) == part.as_str())
}

//! Which call does what.

use flyte_registration_proto::flyteidl::{core::ResourceType, descriptor_pool};
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage as _};
use serde_json::{Value, json};
use tonic::{Code, metadata::MetadataMap};

use crate::{
    admin::Admin,
    auth::Authority,
    dataproxy, dynamic,
    error::{AdminError, Answer},
    faults::Mishap,
};

/// FlyteAdmin's main service.
pub const ADMIN: &str = "flyteidl.service.AdminService";
/// The one for uploads.
pub const DATA_PROXY: &str = "flyteidl.service.DataProxyService";
/// The one that tells where to get a token.
const METADATA: &str = "flyteidl.service.AuthMetadataService";
/// The one that tells whose a token is.
const IDENTITY: &str = "flyteidl.service.IdentityService";
/// Largest message that is read, in bytes.
const MAX_REQUEST_BYTES: usize = 4 << 20;

/// Answers one call that has a token, or needs none. Those that tell where to get one
/// need none; they and `IdentityService` exist only where tokens are asked for.
pub fn guarded(
    authority: Option<&Authority>,
    admin: &Admin,
    service: &str,
    method: &str,
    metadata: &MetadataMap,
    request: &[u8],
    mishap: Option<Mishap>,
) -> Answer<Vec<u8>> {
    // What is not known is told without a look at the token.
    let (Some(authority), true) = (authority, is_known(service, method)) else {
        return call(admin, service, method, request, mishap);
    };
    match (service, method) {
        (METADATA, "GetOAuth2Metadata") => typed(request, |(): ()| Ok(authority.metadata())),
        (METADATA, _) => typed(request, |(): ()| Ok(Authority::public_client())),
        _ => {
            let claims = authority.check(metadata)?;
            match service {
                IDENTITY => user_info(&claims),
                _ => call(admin, service, method, request, mishap),
            }
        }
    }
}

fn is_known(service: &str, method: &str) -> bool {
    let service = descriptor_pool().get_service_by_name(service);
    service.is_some_and(|service| service.methods().any(|known| known.name() == method))
}

/// Whom the caller is taken for: client credentials make nobody in particular.
fn user_info(claims: &Value) -> Answer<Vec<u8>> {
    let descriptor = dynamic::empty("flyteidl.service.UserInfoResponse").descriptor();
    let answer = DynamicMessage::deserialize(descriptor, json!({"additional_claims": claims}));
    let answer = answer.map_err(|error| AdminError::new(Code::Internal, error.to_string()))?;
    Ok(answer.encode_to_vec())
}

/// Answers one call. `service` and `method` are the parts of the path.
fn call(
    admin: &Admin,
    service: &str,
    method: &str,
    request: &[u8],
    mishap: Option<Mishap>,
) -> Answer<Vec<u8>> {
    if request.len() > MAX_REQUEST_BYTES {
        let size = request.len();
        let text =
            format!("grpc: received message larger than max ({size} vs. {MAX_REQUEST_BYTES})");
        return Err(AdminError::new(Code::ResourceExhausted, text));
    }
    match (service, method) {
        (ADMIN, method) => admin_call(admin, method, request, mishap),
        (DATA_PROXY, "CreateUploadLocation") => typed(request, |request| {
            dataproxy::create_upload_location(&request, admin.settings.storage.as_ref())
        }),
        (DATA_PROXY, method) => Err(unknown_method(service, method)),
        _ => Err(AdminError::new(
            Code::Unimplemented,
            format!("unknown service {service}"),
        )),
    }
}

fn admin_call(
    admin: &Admin,
    method: &str,
    bytes: &[u8],
    mishap: Option<Mishap>,
) -> Answer<Vec<u8>> {
    let raw = |name: &str, handler: &dyn Fn(&DynamicMessage) -> Answer<DynamicMessage>| {
        let descriptor = dynamic::empty(name).descriptor();
        let request = DynamicMessage::decode(descriptor, bytes).map_err(|error| junk(&error))?;
        handler(&request).map(|answer| answer.encode_to_vec())
    };
    match method {
        "CreateTask" => raw("flyteidl.admin.TaskCreateRequest", &|r| {
            admin.create_task(r, mishap)
        }),
        "GetTask" => typed(bytes, |r| admin.get_task(&r)),
        "ListTasks" => typed(bytes, |r| admin.list_tasks(&r)),
        "ListTaskIds" => typed(bytes, |r| admin.list_ids(&r, ResourceType::Task)),
        "CreateWorkflow" => raw("flyteidl.admin.WorkflowCreateRequest", &|r| {
            admin.create_workflow(r, mishap)
        }),
        "GetWorkflow" => typed(bytes, |r| admin.get_workflow(r)),
        "ListWorkflows" => typed(bytes, |r| admin.list_workflows(&r)),
        "ListWorkflowIds" => typed(bytes, |r| admin.list_ids(&r, ResourceType::Workflow)),
        "CreateLaunchPlan" => raw("flyteidl.admin.LaunchPlanCreateRequest", &|r| {
            admin.create_launch_plan(r, mishap)
        }),
        "GetLaunchPlan" => typed(bytes, |r| admin.get_launch_plan(r)),
        "GetActiveLaunchPlan" => typed(bytes, |r| admin.get_active_launch_plan(&r)),
        "ListLaunchPlans" => typed(bytes, |r| admin.list_launch_plans(&r)),
        "ListActiveLaunchPlans" => typed(bytes, |r| admin.list_active_launch_plans(&r)),
        "ListLaunchPlanIds" => typed(bytes, |r| admin.list_ids(&r, ResourceType::LaunchPlan)),
        "UpdateLaunchPlan" => typed(bytes, |r| admin.update_launch_plan(r, mishap)),
        "RegisterProject" => typed(bytes, |r| admin.register_project(r)),
        "UpdateProject" => typed(bytes, |r| admin.update_project(r)),
        "GetProject" => typed(bytes, |r| admin.get_project(&r)),
        "ListProjects" => typed(bytes, |r| admin.list_projects(&r)),
        "GetDomains" => typed(bytes, |(): ()| Ok(admin.get_domains())),
        "ListNamedEntities" => typed(bytes, |r| admin.list_named_entities(&r)),
        "GetNamedEntity" => typed(bytes, |r| admin.get_named_entity(&r)),
        "UpdateNamedEntity" => typed(bytes, |r| admin.update_named_entity(r)),
        "GetDescriptionEntity" => typed(bytes, |r| admin.get_description_entity(r)),
        "ListDescriptionEntities" => typed(bytes, |r| admin.list_description_entities(&r)),
        "GetVersion" => typed(bytes, |(): ()| Ok(admin.get_version())),
        method => Err(unknown_method(ADMIN, method)),
    }
}

fn typed<T: Message + Default, R: Message>(
    bytes: &[u8],
    handler: impl FnOnce(T) -> Answer<R>,
) -> Answer<Vec<u8>> {
    let request = T::decode(bytes).map_err(|error| junk(&error))?;
    handler(request).map(|answer| answer.encode_to_vec())
}

fn unknown_method(service: &str, method: &str) -> AdminError {
    let text = format!("unknown method {method} for service {service}");
    AdminError::new(Code::Unimplemented, text)
}

/// The Go library writes this one with a no-break space.
fn junk(error: &prost::DecodeError) -> AdminError {
    let reason = if error.to_string().contains("UTF-8") {
        "string field contains invalid UTF-8"
    } else {
        "proto:\u{a0}cannot parse invalid wire-format data"
    };
    let text = format!("grpc: error unmarshalling request: {reason}");
    AdminError::new(Code::Internal, text)
}

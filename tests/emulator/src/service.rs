//! Which call does what.

use flyte_registration_proto::flyteidl::core::ResourceType;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage as _};
use tonic::Code;

use crate::{
    admin::Admin,
    dataproxy, dynamic,
    error::{AdminError, Answer},
    launch_plan::activate::Mishap,
};

/// FlyteAdmin's main service.
pub const ADMIN: &str = "flyteidl.service.AdminService";
/// The one for uploads.
pub const DATA_PROXY: &str = "flyteidl.service.DataProxyService";
/// Largest message that is read, in bytes.
const MAX_REQUEST_BYTES: usize = 4 << 20;

/// Answers one call. `service` and `method` are the parts of the path. There is no
/// `AuthMetadataService`, as the real server has none without auth.
pub fn call(admin: &Admin, service: &str, method: &str, request: &[u8]) -> Answer<Vec<u8>> {
    if request.len() > MAX_REQUEST_BYTES {
        let size = request.len();
        let text =
            format!("grpc: received message larger than max ({size} vs. {MAX_REQUEST_BYTES})");
        return Err(AdminError::new(Code::ResourceExhausted, text));
    }
    match (service, method) {
        (ADMIN, method) => admin_call(admin, method, request),
        (DATA_PROXY, "CreateUploadLocation") => typed(request, |request| {
            dataproxy::create_upload_location(&request)
        }),
        (DATA_PROXY, method) => Err(unknown_method(service, method)),
        _ => Err(AdminError::new(
            Code::Unimplemented,
            format!("unknown service {service}"),
        )),
    }
}

/// Answers an `UpdateLaunchPlan` that goes amiss.
pub fn update_launch_plan(admin: &Admin, request: &[u8], mishap: Mishap) -> Answer<Vec<u8>> {
    typed(request, |request| {
        admin.update_launch_plan(request, Some(mishap))
    })
}

fn admin_call(admin: &Admin, method: &str, bytes: &[u8]) -> Answer<Vec<u8>> {
    let raw = |name: &str, handler: &dyn Fn(&DynamicMessage) -> Answer<DynamicMessage>| {
        let descriptor = dynamic::empty(name).descriptor();
        let request = DynamicMessage::decode(descriptor, bytes).map_err(|error| junk(&error))?;
        handler(&request).map(|answer| answer.encode_to_vec())
    };
    match method {
        "CreateTask" => raw("flyteidl.admin.TaskCreateRequest", &|r| {
            admin.create_task(r)
        }),
        "GetTask" => typed(bytes, |r| admin.get_task(&r)),
        "ListTasks" => typed(bytes, |r| admin.list_tasks(&r)),
        "ListTaskIds" => typed(bytes, |r| admin.list_ids(&r, ResourceType::Task)),
        "CreateWorkflow" => raw("flyteidl.admin.WorkflowCreateRequest", &|r| {
            admin.create_workflow(r)
        }),
        "GetWorkflow" => typed(bytes, |r| admin.get_workflow(r)),
        "ListWorkflows" => typed(bytes, |r| admin.list_workflows(&r)),
        "ListWorkflowIds" => typed(bytes, |r| admin.list_ids(&r, ResourceType::Workflow)),
        "CreateLaunchPlan" => raw("flyteidl.admin.LaunchPlanCreateRequest", &|r| {
            admin.create_launch_plan(r)
        }),
        "GetLaunchPlan" => typed(bytes, |r| admin.get_launch_plan(r)),
        "GetActiveLaunchPlan" => typed(bytes, |r| admin.get_active_launch_plan(&r)),
        "ListLaunchPlans" => typed(bytes, |r| admin.list_launch_plans(&r)),
        "ListActiveLaunchPlans" => typed(bytes, |r| admin.list_active_launch_plans(&r)),
        "ListLaunchPlanIds" => typed(bytes, |r| admin.list_ids(&r, ResourceType::LaunchPlan)),
        "UpdateLaunchPlan" => typed(bytes, |r| admin.update_launch_plan(r, None)),
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

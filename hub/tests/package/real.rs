use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use flyte_registration_crd::EntityType;
use flyte_registration_fixtures::packages::{
    AUTO, AUTO_FLYTECTL, ETL, ETL_FLYTECTL, FAST, FAST_FLYTECTL, FEATURES, FEATURES_FLYTECTL,
    OPTIONS_FLYTECTL,
};
use flyte_registration_hub::package::{Options, Plan, Selection, Target, plan};
use flyte_registration_proto::flyteidl::descriptor_pool;
use prost_reflect::DynamicMessage;
use serde::Deserialize;

use super::{plan_all, read_default};

/// What flytectl sent for a package.
#[derive(Deserialize)]
struct Recording {
    project: String,
    domain: String,
    version: String,
    upload: Option<Upload>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
struct Upload {
    native_url: String,
    md5_hex: String,
    size: u64,
}

#[derive(Deserialize)]
struct Request {
    rpc: String,
    request_b64: String,
}

/// Requests by type and name, decoded so that the order in maps does not matter.
type Requests = BTreeMap<(String, String), DynamicMessage>;

fn key_and_message(rpc: &str, bytes: &[u8]) -> ((String, String), DynamicMessage) {
    let name = match rpc {
        "CreateTask" => "flyteidl.admin.TaskCreateRequest",
        "CreateWorkflow" => "flyteidl.admin.WorkflowCreateRequest",
        "CreateLaunchPlan" => "flyteidl.admin.LaunchPlanCreateRequest",
        other => panic!("{other}"),
    };
    let descriptor = descriptor_pool().get_message_by_name(name).unwrap();
    let message = DynamicMessage::decode(descriptor, bytes).unwrap();
    let id = message.get_field_by_name("id").unwrap().into_owned();
    let name = id.as_message().unwrap().get_field_by_name("name").unwrap();
    ((rpc.to_owned(), name.as_str().unwrap().to_owned()), message)
}

fn compare(package: &[u8], recording: &str) -> (Requests, Requests) {
    compare_with(package, recording, &Options::default())
}

fn compare_with(package: &[u8], recording: &str, options: &Options) -> (Requests, Requests) {
    let recording: Recording = serde_json::from_str(recording).unwrap();
    let target = Target {
        project: recording.project,
        domain: recording.domain,
        version: recording.version,
    };
    let archive = read_default(package).unwrap();
    let mut plan: Plan = plan(archive, &target, &Selection::default()).unwrap();
    let code = plan.code.take();
    assert_eq!(code.is_some(), recording.upload.is_some());
    if let (Some(code), Some(upload)) = (code, recording.upload) {
        assert_eq!(hex::encode(code.md5), upload.md5_hex);
        assert_eq!(code.size, upload.size);
        assert!(upload.native_url.ends_with(&code.name));
        plan = plan.located(&upload.native_url);
    }
    plan.apply(options).unwrap();
    let ours = plan.entities.iter().map(|entity| {
        let rpc = match entity.kind {
            EntityType::Task => "CreateTask",
            EntityType::Workflow => "CreateWorkflow",
            EntityType::LaunchPlan => "CreateLaunchPlan",
        };
        key_and_message(rpc, &entity.request)
    });
    let theirs = recording.requests.iter().map(|request| {
        let bytes = BASE64_STANDARD.decode(&request.request_b64).unwrap();
        key_and_message(&request.rpc, &bytes)
    });
    (ours.collect(), theirs.collect())
}

#[test]
fn small_package_becomes_what_flytectl_sends() {
    let (ours, theirs) = compare(ETL, ETL_FLYTECTL);
    assert_eq!(ours.len(), 10);
    assert_eq!(ours, theirs);
}

#[test]
fn every_kind_of_entity_becomes_what_flytectl_sends() {
    let (mut ours, mut theirs) = compare(FEATURES, FEATURES_FLYTECTL);
    assert_eq!(ours.len(), 23);
    // flytectl takes pod specs through Kubernetes' Go types, which changes them; we do not.
    let pod = (
        "CreateTask".to_owned(),
        "features.everything.in_a_pod".to_owned(),
    );
    assert_ne!(ours.remove(&pod).unwrap(), theirs.remove(&pod).unwrap());
    assert_eq!(ours, theirs);
}

#[test]
fn options_become_what_flytectl_sends() {
    let options = Options {
        service_account: Some("etl-runner".to_owned()),
        iam_role: Some("arn:aws:iam::123456789012:role/etl".to_owned()),
        raw_output_data_prefix: Some("s3://acme-data/etl".to_owned()),
    };
    let (ours, theirs) = compare_with(FEATURES, OPTIONS_FLYTECTL, &options);
    assert_eq!(ours.len(), 23);
    assert_eq!(without_the_pod(ours), without_the_pod(theirs));
}

#[test]
fn plan_of_a_small_package() {
    insta::assert_snapshot!(plan_all(ETL).unwrap());
}

#[test]
fn plan_of_every_kind_of_entity() {
    insta::assert_snapshot!(plan_all(FEATURES).unwrap());
}

/// flytectl takes pod specs through Kubernetes' Go types, which changes them; we do not.
fn without_the_pod(mut requests: Requests) -> Requests {
    let pod = (
        "CreateTask".to_owned(),
        "features.everything.in_a_pod".to_owned(),
    );
    requests.remove(&pod).unwrap();
    requests
}

#[test]
fn code_in_a_package_is_found_where_flytectl_says() {
    let (ours, theirs) = compare(FAST, FAST_FLYTECTL);
    assert_eq!(ours.len(), 23);
    assert_eq!(without_the_pod(ours), without_the_pod(theirs));
}

#[test]
fn the_destination_is_the_folder_of_the_image() {
    let (ours, theirs) = compare(AUTO, AUTO_FLYTECTL);
    // The recorded flytectl was told "/code".
    let args = |requests: &Requests, destination: &str| -> Vec<String> {
        let all = requests.values().flat_map(args);
        all.filter(|arg| arg == destination).collect()
    };
    let count = args(&ours, ".").len();
    assert!(count > 5, "{count}");
    assert_eq!(args(&theirs, "/code").len(), count);
    assert_eq!(args(&theirs, ".").len() + args(&ours, "/code").len(), 0);
}

/// All arguments of a task's container.
fn args(request: &DynamicMessage) -> Vec<String> {
    let mut message = request.clone();
    for name in ["spec", "template", "container"] {
        let Some(inner) = message.get_field_by_name(name) else {
            return Vec::new();
        };
        message = inner.as_message().unwrap().clone();
    }
    let list = message.get_field_by_name("args").unwrap().into_owned();
    let list = list.as_list().unwrap().iter();
    list.map(|arg| arg.as_str().unwrap().to_owned()).collect()
}

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use flyte_registration_crd::{EntityType, Reason};
use flyte_registration_hub::package::{Options, Plan, Selection, Target, plan};
use flyte_registration_proto::flyteidl::descriptor_pool;
use prost_reflect::DynamicMessage;
use serde::Deserialize;

use super::{plan_all, read_default};

pub const ETL: &[u8] = include_bytes!("../fixtures/etl.tgz");
const ETL_FLYTECTL: &str = include_str!("../fixtures/etl.flytectl.json");
const FEATURES: &[u8] = include_bytes!("../fixtures/features.tgz");
const FEATURES_FLYTECTL: &str = include_str!("../fixtures/features.flytectl.json");
const FEATURES_OPTIONS: &str = include_str!("../fixtures/features-options.flytectl.json");
const FEATURES_FAST: &[u8] = include_bytes!("../fixtures/features-fast.tgz");

/// What flytectl sent for a package.
#[derive(Deserialize)]
struct Recording {
    project: String,
    domain: String,
    version: String,
    requests: Vec<Request>,
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
    let mut plan: Plan = plan(&archive, &target, &Selection::default()).unwrap();
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
    let (mut ours, mut theirs) = compare_with(FEATURES, FEATURES_OPTIONS, &options);
    assert_eq!(ours.len(), 23);
    ours.retain(|(rpc, _), _| rpc == "CreateLaunchPlan");
    theirs.retain(|(rpc, _), _| rpc == "CreateLaunchPlan");
    assert_eq!(ours.len(), 7);
    assert_eq!(ours, theirs);
}

#[test]
fn plan_of_a_small_package() {
    insta::assert_snapshot!(plan_all(ETL).unwrap());
}

#[test]
fn plan_of_every_kind_of_entity() {
    insta::assert_snapshot!(plan_all(FEATURES).unwrap());
}

#[test]
fn code_in_a_package_is_not_supported_yet() {
    let error = plan_all(FEATURES_FAST).unwrap_err();
    assert_eq!(error.reason(), Reason::NotSupported);
    insta::assert_snapshot!(error);
}

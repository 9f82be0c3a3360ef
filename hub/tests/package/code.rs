//! Packages that bring their code along.

use flyte_registration_crd::Reason;
use flyte_registration_fixtures::builder::{Files, gzip, package, runs, task, workflow};
use flyte_registration_hub::package::{
    Code, Limits, PackageError, Plan, Selection, What, copy_code, plan, read,
};
use flyte_registration_proto::flyteidl::{
    admin::{TaskCreateRequest, TaskSpec, WorkflowCreateRequest},
    core::{Container, K8sPod, TaskNodeOverrides, node, task_template},
};
use proptest::prelude::*;
use prost::Message;
use prost_types::{ListValue, Struct, Value, value::Kind};

use super::{plan_all, target};

const NAME: &str = "fast0a.tar.gz";
const URL: &str = "s3://bucket/p/d/HASH/fast0a.tar.gz";
const ARGS: [&str; 4] = [
    "{{ .remote_package_path }}",
    "{{ .dest_dir }}",
    "{{.input}}",
    "x={{ .remote_package_path }}",
];
const FILLED: [&str; 4] = [URL, ".", "{{.input}}", "x={{ .remote_package_path }}"];

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

fn with_args(name: &str) -> TaskSpec {
    let mut spec = task(name);
    let container = Container {
        args: owned(&ARGS),
        // Only arguments: flytectl leaves the command alone.
        command: owned(&ARGS),
        ..Container::default()
    };
    spec.template.as_mut().unwrap().target = Some(task_template::Target::Container(container));
    spec
}

fn list(values: impl IntoIterator<Item = Kind>) -> Kind {
    let values = values.into_iter().map(|kind| Value { kind: Some(kind) });
    Kind::ListValue(ListValue {
        values: values.collect(),
    })
}

fn object(members: impl IntoIterator<Item = (&'static str, Kind)>) -> Struct {
    let members = members.into_iter();
    let members = members.map(|(name, kind)| (name.to_owned(), Value { kind: Some(kind) }));
    Struct {
        fields: members.collect(),
    }
}

fn pod(args: &[&str]) -> K8sPod {
    let strings = |args: &[&str]| list(args.iter().map(|arg| Kind::StringValue((*arg).to_owned())));
    let container = object([("args", strings(args)), ("cpu", Kind::NumberValue(0.5))]);
    let init = object([("args", strings(&ARGS))]);
    K8sPod {
        pod_spec: Some(object([
            ("containers", list([Kind::StructValue(container)])),
            ("initContainers", list([Kind::StructValue(init)])),
            ("odd", Kind::NullValue(0)),
        ])),
        ..K8sPod::default()
    }
}

fn in_a_pod(name: &str) -> TaskSpec {
    let mut spec = task(name);
    spec.template.as_mut().unwrap().target = Some(task_template::Target::K8sPod(pod(&ARGS)));
    spec
}

fn with_code(files: &Files, code: &[u8]) -> Vec<u8> {
    let files = files.0.iter();
    let files = files.map(|(name, content)| (name.as_str(), content.clone()));
    package(files.chain([(NAME, gzip(code))]))
}

fn located(package: &[u8]) -> Plan {
    plan_all(package).unwrap().located(URL)
}

fn sent(plan: &Plan) -> task_template::Target {
    let request = TaskCreateRequest::decode(plan.entities[0].request.clone()).unwrap();
    request.spec.unwrap().template.unwrap().target.unwrap()
}

#[test]
fn whole_arguments_of_containers_are_filled_in() {
    let package = with_code(&Files::default().task(&with_args("a")), b"code");
    let task_template::Target::Container(container) = sent(&located(&package)) else {
        panic!("no container");
    };
    assert_eq!(container.args, FILLED);
    assert_eq!(container.command, ARGS);
}

#[test]
fn and_those_of_pods_and_nothing_else_of_them() {
    let package = with_code(&Files::default().task(&in_a_pod("a")), b"code");
    assert_eq!(
        sent(&located(&package)),
        task_template::Target::K8sPod(pod(&FILLED))
    );
}

#[test]
fn and_those_of_pods_that_nodes_put_over_a_task() {
    let mut overrides = runs("a");
    let node::Target::TaskNode(node) = &mut overrides else {
        panic!("no task node");
    };
    node.overrides = Some(TaskNodeOverrides {
        pod_template: Some(pod(&ARGS)),
        ..TaskNodeOverrides::default()
    });
    let files = Files::default().workflow(&workflow("w", [overrides]));
    let plan = located(&with_code(&files, b"code"));
    let request = WorkflowCreateRequest::decode(plan.entities[0].request.clone()).unwrap();
    let node = request.spec.unwrap().template.unwrap().nodes.remove(0);
    let Some(node::Target::TaskNode(node)) = node.target else {
        panic!("no task node");
    };
    assert_eq!(node.overrides.unwrap().pod_template, Some(pod(&FILLED)));
}

#[test]
fn what_refers_to_code_needs_some() {
    for spec in [with_args("a"), in_a_pod("a")] {
        let error = plan_all(&Files::default().task(&spec).package()).unwrap_err();
        assert_eq!(error.reason(), Reason::PackageInvalid);
        let PackageError::Problems(problems) = error else {
            panic!("{error}");
        };
        assert_eq!(problems[0].what, What::NoCode);
        assert_eq!(problems[0].file, "0_a_1.pb");
    }
}

#[test]
fn code_that_nothing_refers_to_is_not_uploaded() {
    let files = || {
        Files::default()
            .task(&task("other"))
            .task(&with_args("uses"))
            .workflow(&workflow("w", [runs("other")]))
    };
    let unused = with_code(&Files::default().task(&task("a")), b"code");
    assert_eq!(plan_all(&unused).unwrap().code, None);
    let package = with_code(&files(), b"code");
    assert!(plan_all(&package).unwrap().code.is_some());
    let archive = read(package.as_slice(), &Limits::default()).unwrap();
    let selection = Selection {
        workflow_name: Some("w".to_owned()),
    };
    assert_eq!(plan(archive, &target(), &selection).unwrap().code, None);
}

#[test]
fn code_has_a_limit_of_its_own() {
    let limits = Limits {
        fast_bytes: 64 << 10,
        unpacked_bytes: 8 << 10,
        ..Limits::default()
    };
    let read = |package: Vec<u8>| read(package.as_slice(), &limits).map(drop);
    // Larger than all else together may be, and not compressible.
    let noise: Vec<u8> = (0_u32..12 << 10)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0])
        .collect();
    let fits = with_code(&Files::default().task(&task("a")), &noise);
    read(fits).unwrap();
    // One byte too many, though it is compressed to a few.
    for (size, fits) in [(64 << 10, true), ((64 << 10) + 1, false)] {
        let package = with_code(&Files::default().task(&task("a")), &vec![0; size]);
        let outcome = read(package);
        assert_eq!(outcome.is_ok(), fits, "{size}: {outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(error.reason(), Reason::PackageTooLarge);
        }
    }
    // The code does not make room for the rest.
    let large = with_code(&Files::default().task(&task(&"a".repeat(900))), b"code");
    let tight = Limits {
        unpacked_bytes: 1024,
        ..limits.clone()
    };
    let error = flyte_registration_hub::package::read(large.as_slice(), &tight).unwrap_err();
    assert_eq!(error.reason(), Reason::PackageTooLarge);
}

#[test]
fn damaged_code_is_told() {
    let whole = gzip(&[7; 4096]);
    let cut = whole[..whole.len() - 9].to_vec();
    let mut garbled = whole.clone();
    let last = garbled.len() - 6;
    garbled[last] ^= 1;
    for code in [b"no gzip".to_vec(), Vec::new(), cut, garbled] {
        let error = plan_all(&package([(NAME, code)])).unwrap_err();
        assert_eq!(error.reason(), Reason::PackageInvalid);
        assert_eq!(
            error.to_string(),
            "fast0a.tar.gz: not a whole gzip-compressed archive"
        );
    }
}

proptest! {
    #[test]
    fn the_code_is_copied_as_it_was_measured(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        let package = with_code(&Files::default().task(&with_args("a")), &bytes);
        let code = plan_all(&package).unwrap().code.unwrap();
        prop_assert_eq!(code.size, bytes.len() as u64);
        let mut copy = Vec::new();
        copy_code(package.as_slice(), &code, &mut copy).unwrap();
        prop_assert_eq!(&copy, &bytes);
        // Of another package.
        let other = Code { size: code.size + 1, ..code.clone() };
        prop_assert!(copy_code(package.as_slice(), &other, &mut copy).is_err());
        let other = Code { name: "fast1.tar.gz".to_owned(), ..code };
        prop_assert!(copy_code(package.as_slice(), &other, &mut copy).is_err());
    }
}

//! Our `FlyteIDL` files against the descriptors that `flyteidl` on `PyPI` ships.

#![allow(clippy::expect_used, clippy::panic)] // helpers of tests count as production code otherwise

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
};

use flyte_registration_proto::flyteidl::descriptor_pool;
use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ServiceDescriptor,
};

/// What packages hold and what registration sends.
const ROOTS: [&str; 3] = [
    "flyteidl.admin.TaskSpec",
    "flyteidl.admin.WorkflowSpec",
    "flyteidl.admin.LaunchPlan",
];

fn published() -> DescriptorPool {
    let path = env::var_os("FLYTEIDL_DESCRIPTORS").map_or_else(default_path, PathBuf::from);
    let bytes = fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}: the descriptors of flyteidl on PyPI are missing, `make peers` writes them",
            path.display()
        )
    });
    DescriptorPool::decode(bytes.as_slice()).expect("a FileDescriptorSet")
}

fn default_path() -> PathBuf {
    let build = env::var_os("FLYTE_REG_BUILD").map_or_else(
        || {
            env::var_os("XDG_CACHE_HOME")
                .map_or_else(
                    || PathBuf::from(env::var_os("HOME").expect("HOME")).join(".cache"),
                    PathBuf::from,
                )
                .join("flyte-registration")
        },
        PathBuf::from,
    );
    build.join("flyteidl.bin")
}

fn type_of(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(enumeration) => enumeration.full_name().to_owned(),
        scalar => format!("{scalar:?}"),
    }
}

fn describe_field(field: &FieldDescriptor) -> String {
    format!(
        "{} = {}: {:?} {} oneof {:?} packed {} json {}",
        field.name(),
        field.number(),
        field.cardinality(),
        type_of(field),
        field
            .containing_oneof()
            .map(|oneof| oneof.name().to_owned()),
        field.is_packed(),
        field.json_name(),
    )
}

fn describe_message(message: &MessageDescriptor) -> BTreeSet<String> {
    let fields = message.fields().map(|field| describe_field(&field));
    fields
        .chain([format!("map entry {}", message.is_map_entry())])
        .collect()
}

fn describe_enum(enumeration: &EnumDescriptor) -> BTreeSet<String> {
    let values = enumeration.values();
    values
        .map(|value| format!("{} = {}", value.name(), value.number()))
        .collect()
}

fn describe_methods(service: &ServiceDescriptor) -> BTreeMap<String, String> {
    service
        .methods()
        .map(|method| {
            let shape = format!(
                "{} ({}) -> {} ({})",
                method.input().full_name(),
                method.is_client_streaming(),
                method.output().full_name(),
                method.is_server_streaming(),
            );
            (method.name().to_owned(), shape)
        })
        .collect()
}

#[test]
fn messages_and_enums_are_those_that_are_published() {
    let (ours, published) = (descriptor_pool(), published());
    let mut compared = 0;
    for message in ours
        .all_messages()
        .filter(|m| m.package_name().starts_with("flyteidl."))
    {
        let name = message.full_name();
        let other = published.get_message_by_name(name);
        let other = other.unwrap_or_else(|| panic!("{name} is not published"));
        assert_eq!(
            describe_message(&message),
            describe_message(&other),
            "{name}"
        );
        compared += 1;
    }
    for enumeration in ours
        .all_enums()
        .filter(|e| e.package_name().starts_with("flyteidl."))
    {
        let name = enumeration.full_name();
        let other = published.get_enum_by_name(name);
        let other = other.unwrap_or_else(|| panic!("{name} is not published"));
        assert_eq!(describe_enum(&enumeration), describe_enum(&other), "{name}");
        compared += 1;
    }
    assert!(compared > 150, "only {compared} types were compared");
}

#[test]
fn calls_are_those_that_are_published() {
    let (ours, published) = (descriptor_pool(), published());
    for service in ours.services() {
        let name = service.full_name();
        let other = published.services().find(|other| other.full_name() == name);
        let other = describe_methods(&other.unwrap_or_else(|| panic!("{name} is not published")));
        for (method, shape) in describe_methods(&service) {
            assert_eq!(Some(&shape), other.get(&method), "{name}/{method}");
        }
    }
}

/// The fields, as (message, field), on every path from a root to something that
/// registration rewrites: an identifier, the command line of a container, or a
/// pod spec (which holds command lines as JSON).
fn rewritten_paths(pool: &DescriptorPool) -> BTreeSet<(String, String)> {
    let mut reached = BTreeMap::new();
    let mut open: Vec<_> = ROOTS
        .map(|root| pool.get_message_by_name(root).expect(root))
        .into();
    while let Some(message) = open.pop() {
        let next = message
            .fields()
            .filter_map(|f| f.kind().as_message().cloned());
        if reached
            .insert(message.full_name().to_owned(), message.clone())
            .is_none()
        {
            open.extend(next);
        }
    }
    let edges: Vec<_> = reached
        .values()
        .flat_map(MessageDescriptor::fields)
        .collect();
    let mut leading: BTreeSet<_> = ["flyteidl.core.Identifier".to_owned()].into();
    let mut kept = BTreeSet::new();
    loop {
        let before = kept.len();
        for field in &edges {
            let parent = field.parent_message().full_name().to_owned();
            let target = [
                "flyteidl.core.Container.args",
                "flyteidl.core.Container.command",
            ]
            .contains(&field.full_name())
                || field.full_name() == "flyteidl.core.K8sPod.pod_spec";
            if target || leading.contains(&type_of(field)) {
                kept.insert((parent.clone(), field.name().to_owned()));
                leading.insert(parent);
            }
        }
        if kept.len() == before {
            return kept;
        }
    }
}

#[test]
fn nothing_that_registration_rewrites_is_out_of_reach() {
    let ours = rewritten_paths(descriptor_pool());
    assert_eq!(ours, rewritten_paths(&published()));
    for (message, field) in [
        ("flyteidl.core.WorkflowTemplate", "failure_node"),
        ("flyteidl.core.ArrayNode", "node"),
        ("flyteidl.core.TaskNodeOverrides", "pod_template"),
        ("flyteidl.admin.LaunchPlanSpec", "workflow_id"),
    ] {
        let edge = (message.to_owned(), field.to_owned());
        assert!(ours.contains(&edge), "{message}.{field}");
    }
}

//! Packages, and fields that nobody knows.

use flyte_registration_fixtures::{
    builder::{Files, branches, launch_plan, launches, maps, runs, task, workflow},
    packages::{ETL, FEATURES},
};
use proptest::prelude::*;
use prost_reflect::Value;

/// Tasks, and workflows that run and launch what is there and what is not.
fn generated() -> impl Strategy<Value = Files> {
    let tasks = proptest::collection::btree_set("[a-z]{1,6}", 0..6);
    let flows = proptest::collection::btree_map(
        "[A-Z]{1,2}",
        proptest::collection::vec(("[a-z]{1,6}", 0..4_usize), 0..5),
        0..5,
    );
    (tasks, flows)
        .prop_map(|(tasks, flows)| {
            let files = tasks
                .iter()
                .fold(Files::default(), |files, name| files.task(&task(name)));
            flows.iter().fold(files, |files, (name, nodes)| {
                let nodes = nodes.iter().map(|(task, shape)| match shape {
                    0 => runs(task),
                    1 => maps(runs(task)),
                    // Plans of workflows are in capitals: this one is never in the package.
                    2 => launches(task),
                    _ => branches(runs(task), maps(runs(task)), runs("z")),
                });
                files
                    .workflow(&workflow(name, nodes))
                    .launch_plan(&launch_plan(name, name))
            })
        })
        .prop_filter("a package holds something", |files| !files.0.is_empty())
}

pub fn any_files() -> impl Strategy<Value = Files> {
    prop_oneof![
        8 => generated(),
        1 => Just(Files::of(ETL)),
        1 => Just(Files::of(FEATURES)),
    ]
}

pub fn any_order() -> impl Strategy<Value = (Files, Files)> {
    any_files().prop_flat_map(|files| {
        let shuffled = Just(files.0.clone()).prop_shuffle();
        (Just(files), shuffled.prop_map(Files))
    })
}

/// A field that no version of FlyteIDL has, of any wire type, as it is on the wire.
pub fn unknown() -> impl Strategy<Value = Vec<u8>> {
    use prost::encoding::{self, WireType::LengthDelimited};
    let value = prop_oneof![
        any::<u64>().prop_map(Value::U64),
        any::<f64>().prop_map(Value::F64),
        any::<f32>().prop_map(Value::F32),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|value| Value::Bytes(value.into())),
    ];
    let field = (20_000_u32..(1 << 29), value);
    let field = field.prop_map(|(number, value)| {
        let mut bytes = Vec::new();
        match value {
            Value::U64(value) => encoding::uint64::encode(number, &value, &mut bytes),
            Value::F64(value) => encoding::double::encode(number, &value, &mut bytes),
            Value::F32(value) => encoding::float::encode(number, &value, &mut bytes),
            Value::Bytes(value) => {
                encoding::encode_key(number, LengthDelimited, &mut bytes);
                encoding::encode_varint(value.len() as u64, &mut bytes);
                bytes.extend_from_slice(&value);
            }
            other => panic!("{other:?}"),
        }
        bytes
    });
    // As a field, and within a group.
    (field, any::<bool>()).prop_map(|(field, grouped)| {
        use prost::encoding::WireType::{EndGroup, StartGroup};
        let mut bytes = Vec::new();
        if grouped {
            encoding::encode_key(19_500, StartGroup, &mut bytes);
            bytes.extend_from_slice(&field);
            encoding::encode_key(19_500, EndGroup, &mut bytes);
            return bytes;
        }
        field
    })
}

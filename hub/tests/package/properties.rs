//! What holds for every package: real entities and generated ones, in any order, with anything in them.

use std::{collections::BTreeMap, io::Read as _};

use bytes::Buf as _;
use flate2::{Compression, read::GzDecoder};
use flyte_registration_crd::{EntityType, Reason};
use flyte_registration_fixtures::{
    builder::{Files, launch_plan, package},
    packages::{ETL, FEATURES},
};
use flyte_registration_hub::package::{Limits, Plan, Planned, read};
use flyte_registration_proto::flyteidl::{
    admin::{LaunchPlanCreateRequest, TaskCreateRequest, WorkflowCreateRequest},
    descriptor_pool,
};
use proptest::{prelude::*, sample::Index};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};

mod generate;

use super::{corpus::targets::faithful::faithful, plan_all};
use generate::{any_files, any_order, unknown};

/// Calls `visit` with `message` and all messages within it, in an order that only they decide.
fn each_message(message: &mut DynamicMessage, visit: &mut impl FnMut(&mut DynamicMessage)) {
    visit(message);
    for (_, value) in message.fields_mut() {
        match value {
            Value::Message(inner) => each_message(inner, visit),
            Value::List(list) => {
                let inner = list.iter_mut().filter_map(Value::as_message_mut);
                inner.for_each(|inner| each_message(inner, visit));
            }
            Value::Map(map) => {
                let sorted: BTreeMap<String, _> = map
                    .iter_mut()
                    .map(|(key, value)| (format!("{key:?}"), value))
                    .collect();
                let inner = sorted.into_values().filter_map(Value::as_message_mut);
                inner.for_each(|inner| each_message(inner, visit));
            }
            _ => {}
        }
    }
}

fn decode(name: &str, bytes: &[u8]) -> DynamicMessage {
    let descriptor = descriptor_pool().get_message_by_name(name).unwrap();
    DynamicMessage::decode(descriptor, bytes).unwrap()
}

fn spec(message: &DynamicMessage) -> DynamicMessage {
    let spec = message.get_field_by_name("spec").unwrap();
    spec.as_message().unwrap().clone()
}

/// The spec in a file, by the file's name.
fn spec_of_file(name: &str, content: &[u8]) -> DynamicMessage {
    if name.ends_with("_1.pb") {
        decode("flyteidl.admin.TaskSpec", content)
    } else if name.ends_with("_2.pb") {
        decode("flyteidl.admin.WorkflowSpec", content)
    } else {
        spec(&decode("flyteidl.admin.LaunchPlan", content))
    }
}

/// The spec in a request.
fn spec_of(entity: &Planned) -> DynamicMessage {
    let name = match entity.kind {
        EntityType::Task => "flyteidl.admin.TaskCreateRequest",
        EntityType::Workflow => "flyteidl.admin.WorkflowCreateRequest",
        EntityType::LaunchPlan => "flyteidl.admin.LaunchPlanCreateRequest",
    };
    spec(&decode(name, &entity.request))
}

/// The file that `pyflyte` would have written for what was planned.
fn as_file(files: Files, entity: &Planned) -> Files {
    let request = entity.request.clone();
    match entity.kind {
        EntityType::Task => files.task(&TaskCreateRequest::decode(request).unwrap().spec.unwrap()),
        EntityType::Workflow => files.workflow(
            &WorkflowCreateRequest::decode(request)
                .unwrap()
                .spec
                .unwrap(),
        ),
        EntityType::LaunchPlan => {
            let request = LaunchPlanCreateRequest::decode(request).unwrap();
            let mut plan = launch_plan("", "");
            (plan.id, plan.spec) = (request.id, request.spec);
            files.launch_plan(&plan)
        }
    }
}

/// What is planned of one file.
fn alone(name: &str, content: Vec<u8>) -> Planned {
    let mut plan = plan_all(&package([(name, content)])).unwrap();
    plan.entities.remove(0)
}

/// The package with a byte in it for each that comes out of it.
fn stored(files: &Files) -> Vec<u8> {
    let package = files.package();
    let tar = GzDecoder::new(package.as_slice());
    let mut stored = Vec::new();
    flate2::read::GzEncoder::new(tar, Compression::none())
        .read_to_end(&mut stored)
        .unwrap();
    stored
}

/// The uncompressed tar.
fn unpacked(package: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    GzDecoder::new(package).read_to_end(&mut tar).unwrap();
    tar
}

#[test]
fn nothing_but_ids_is_filled_in() {
    for (name, content) in Files::of(FEATURES).0.into_iter().chain(Files::of(ETL).0) {
        let before = spec_of_file(&name, &content);
        faithful(&before, &spec_of(&alone(&name, content))).unwrap();
    }
}

proptest! {
    #[test]
    fn order_in_the_archive_does_not_matter((files, shuffled) in any_order()) {
        let (one, two) = (plan_all(&files.package()).unwrap(), plan_all(&shuffled.package()).unwrap());
        prop_assert_eq!(one.to_string(), two.to_string());
        for (one, two) in one.entities.iter().zip(&two.entities) {
            prop_assert_eq!(&one.id, &two.id);
            prop_assert_eq!(spec_of(one), spec_of(two));
        }
        for (index, entity) in one.entities.iter().enumerate() {
            prop_assert!(entity.needs.iter().all(|need| *need < index));
        }
    }

    #[test]
    fn filling_in_twice_is_filling_in_once(files in any_files()) {
        let first = plan_all(&files.package()).unwrap();
        let again = first.entities.iter().fold(Files::default(), as_file);
        let second = plan_all(&again.package()).unwrap();
        prop_assert_eq!(&first.external, &second.external);
        let specs = |plan: &Plan| -> BTreeMap<_, _> {
            let all = plan.entities.iter();
            all.map(|entity| ((entity.kind, entity.id.clone()), spec_of(entity))).collect()
        };
        prop_assert_eq!(specs(&first), specs(&second));
    }

    #[test]
    fn fields_that_we_do_not_know_survive_at_every_depth(
        file in any::<Index>(),
        place in any::<Index>(),
        unknown in unknown(),
    ) {
        let files = Files::of(FEATURES).0;
        let (name, content) = &files[file.index(files.len())];
        let kind = ["TaskSpec", "WorkflowSpec", "LaunchPlan"][usize::from(name.as_bytes()[name.len() - 4] - b'1')];
        let mut message = decode(&format!("flyteidl.admin.{kind}"), content);
        let mut spec = if kind == "LaunchPlan" { spec(&message) } else { message.clone() };

        let mut count = 0;
        each_message(&mut spec, &mut |_| count += 1);
        let place = place.index(count);
        let mut at = 0;
        each_message(&mut spec, &mut |inner| {
            if at == place {
                inner.merge(unknown.as_slice()).unwrap();
            }
            at += 1;
        });
        if kind == "LaunchPlan" {
            message.set_field_by_name("spec", Value::Message(spec.clone()));
        } else {
            message = spec.clone();
        }

        let planned = alone(name, message.encode_to_vec());
        let mut found = Vec::new();
        let mut at = 0;
        each_message(&mut spec_of(&planned), &mut |inner| {
            for field in inner.unknown_fields() {
                let mut bytes = Vec::new();
                field.encode(&mut bytes);
                found.push((at, bytes));
            }
            at += 1;
        });
        prop_assert_eq!(found, [(place, unknown.clone())]);
        prop_assert!(planned.request.windows(unknown.len()).any(|bytes| bytes == unknown));
        faithful(&spec, &spec_of(&planned)).unwrap();
    }

    #[test]
    fn limits_hold(
        sizes in proptest::collection::vec(0..3000_usize, 1..12),
        files in 0..12_usize,
        entity_bytes in 0..3500_u64,
        unpacked_bytes in 0..40_000_u64,
        name_bytes in 4..14_usize,
    ) {
        let limits = Limits { files, entity_bytes, unpacked_bytes, name_bytes, ..Limits::default() };
        let content = |size: usize| vec![b'x'; size];
        let named = sizes.iter().enumerate().map(|(index, size)| (format!("{}_1.pb", "n".repeat(index)), content(*size)));
        let named = Files(named.collect());
        let package = named.package();
        let fits = sizes.len() <= files
            && sizes.iter().all(|size| *size as u64 <= entity_bytes)
            && named.0.iter().all(|(name, _)| name.len() <= name_bytes)
            && unpacked(&package).len() as u64 <= unpacked_bytes;
        match read(package.as_slice(), &limits) {
            Ok(_) => prop_assert!(fits),
            Err(error) => {
                prop_assert!(!fits, "{error}");
                prop_assert_eq!(error.reason(), Reason::PackageTooLarge);
            }
        }
    }

    #[test]
    fn no_content_of_a_file_panics(content in proptest::collection::vec(any::<u8>(), 0..200), kind in 1..4) {
        let name = format!("0_a_{kind}.pb");
        let _ = plan_all(&package([(name.as_str(), content)]));
    }

    #[test]
    fn no_change_of_a_real_file_panics(
        file in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        cut in any::<Index>(),
    ) {
        let files = Files::of(FEATURES).0;
        let (name, mut content) = files[file.index(files.len())].clone();
        for (at, byte) in changes {
            let at = at.index(content.len());
            content[at] = byte;
        }
        content.truncate(cut.index(content.len()) + 1);
        let _ = plan_all(&package([(name.as_str(), content)]));
    }
}

proptest! {
    // Each case makes and reads a large package.
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// However much comes, no more is taken than the limit says, and a buffer.
    #[test]
    fn reading_stops_at_the_limit(unpacked_bytes in 0..200_000_u64, filler in any::<u8>()) {
        let files = (0..300).map(|index| (format!("{index}_1.pb"), vec![filler; 1000]));
        let package = stored(&Files(files.collect()));
        let limits = Limits { unpacked_bytes, ..Limits::default() };
        let mut source = package.as_slice();
        let error = read(&mut source, &limits).unwrap_err();
        prop_assert_eq!(error.reason(), Reason::PackageTooLarge);
        let taken = (package.len() - source.remaining()) as u64;
        prop_assert!(taken <= unpacked_bytes + 128 * 1024, "{taken} of {unpacked_bytes}");
    }
}

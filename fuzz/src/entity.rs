//! Decoding and filling in one entity.

use flyte_registration_crd::EntityType;
use flyte_registration_hub::{
    inspect::Inspection,
    package::{Limits, Plan, Planned, Selection, read},
};
use prost::Message as _;
use prost_reflect::DynamicMessage;

use super::{
    faithful::faithful,
    sound::{decode, gzip, package, planned, request, sound},
};

/// A package of one file: its kind is the first byte, the rest is its content.
pub fn run(data: &[u8]) {
    let Some((kind, content)) = data.split_first() else {
        return;
    };
    let kind = [
        EntityType::Task,
        EntityType::Workflow,
        EntityType::LaunchPlan,
    ][usize::from(kind % 3)];
    let Some(plan) = of_one_file(kind, content) else {
        return;
    };
    sound(&plan);
    let _ = Inspection::of(&plan);
    let [entity] = plan.entities.as_slice() else {
        panic!("one file is one entity: {plan}");
    };
    let before = spec(kind, content).expect("what was planned has a spec");
    let after = spec_of(entity);
    faithful(&before, &after).expect("only ids are filled in");
    twice(&plan, entity);
}

/// What was filled in once is filled in: doing so again changes nothing.
fn twice(plan: &Plan, entity: &Planned) {
    // Launch plans number their id and spec as their requests do.
    let content = match entity.kind {
        EntityType::LaunchPlan => entity.request.to_vec(),
        _ => spec_of(entity).encode_to_vec(),
    };
    let again = of_one_file(entity.kind, &content).expect("what was planned can be planned");
    assert_eq!(again.entities[0].id, entity.id);
    assert_eq!(again.external, plan.external);
    faithful(&spec_of(entity), &spec_of(&again.entities[0])).expect("nothing is left to fill in");
    // Maps have no order: the bytes may differ, not their number.
    assert_eq!(again.entities[0].request.len(), entity.request.len());
}

/// The spec in a file of a package.
fn spec(kind: EntityType, content: &[u8]) -> Option<DynamicMessage> {
    match kind {
        EntityType::Task => decode("flyteidl.admin.TaskSpec", content),
        EntityType::Workflow => decode("flyteidl.admin.WorkflowSpec", content),
        EntityType::LaunchPlan => inner(&decode("flyteidl.admin.LaunchPlan", content)?),
    }
}

fn spec_of(entity: &Planned) -> DynamicMessage {
    inner(&request(entity)).expect("requests have a spec")
}

fn inner(message: &DynamicMessage) -> Option<DynamicMessage> {
    let spec = message.get_field_by_name("spec")?;
    spec.as_message().cloned()
}

fn of_one_file(kind: EntityType, content: &[u8]) -> Option<Plan> {
    let number = match kind {
        EntityType::Task => 1,
        EntityType::Workflow => 2,
        EntityType::LaunchPlan => 3,
    };
    // Code beside it, for those that refer to it.
    let packed = gzip(b"code");
    let files = [
        (format!("0_fuzz_{number}.pb"), content),
        ("fast0.tar.gz".to_owned(), &packed),
    ];
    // Filling in ids makes a file larger: not what is looked for here.
    let limits = Limits {
        entity_bytes: 64 << 20,
        ..Limits::default()
    };
    let archive = read(package(files).as_slice(), &limits).ok()?;
    planned(&archive, &Selection::default()).ok()
}

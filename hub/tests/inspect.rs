//! What `inspect` shows of a package with one of each kind of entity.

#![allow(clippy::unwrap_used, missing_docs)]

use flyte_registration_fixtures::packages::{ETL, FEATURES};
use flyte_registration_hub::{
    inspect::Inspection,
    package::{Limits, Selection, Target, plan, read},
};

fn inspect(package: &[u8], workflow: Option<&str>) -> Inspection {
    let archive = read(package, &Limits::default()).unwrap();
    let target = Target {
        project: "p".to_owned(),
        domain: "d".to_owned(),
        version: "v".to_owned(),
    };
    let selection = Selection {
        workflow_name: workflow.map(str::to_owned),
    };
    Inspection::of(&plan(archive, &target, &selection).unwrap())
}

#[test]
fn every_kind_of_entity_is_shown() {
    insta::assert_json_snapshot!(inspect(FEATURES, None));
}

#[test]
fn one_workflow_is_shown_with_what_it_needs() {
    let whole = inspect(ETL, None);
    let one = inspect(ETL, Some(&whole.workflows[0].name));
    assert_eq!(one.workflows.len(), 1);
    assert!(!one.tasks.is_empty() && one.tasks.len() < whole.tasks.len());
}

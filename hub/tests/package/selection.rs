use flyte_registration_crd::Reason;
use flyte_registration_fixtures::builder::{
    Files, embeds, launch_plan, launches, runs, task, template, workflow,
};
use flyte_registration_hub::package::{PackageError, Plan, Selection, plan};

use super::{read_default, target};

fn select(files: &Files, workflow_name: &str) -> Result<Plan, PackageError> {
    let archive = read_default(&files.package()).unwrap();
    let selection = Selection {
        workflow_name: Some(workflow_name.to_owned()),
    };
    plan(archive, &target(), &selection)
}

/// `etl.my_flow` runs a task, embeds `etl.inner` and launches `etl.other`; `etl.apart` has
/// nothing to do with it.
fn files() -> Files {
    let mut outer = workflow(
        "etl.my_flow",
        [runs("etl.a"), embeds("etl.inner"), launches("etl.other")],
    );
    outer.sub_workflows = vec![template("etl.inner", [runs("etl.b")])];
    ["etl.a", "etl.b", "etl.c", "etl.d"]
        .iter()
        .fold(Files::default(), |files, name| files.task(&task(name)))
        .workflow(&outer)
        .workflow(&workflow("etl.inner", [runs("etl.b")]))
        .workflow(&workflow("etl.other", [runs("etl.c")]))
        .workflow(&workflow("etl.apart", [runs("etl.d")]))
        .workflow(&workflow("jobs.apart", [runs("etl.d")]))
        .launch_plan(&launch_plan("etl.my_flow", "etl.my_flow"))
        .launch_plan(&launch_plan("nightly", "etl.my_flow"))
        .launch_plan(&launch_plan("etl.inner", "etl.inner"))
        .launch_plan(&launch_plan("etl.other", "etl.other"))
        .launch_plan(&launch_plan("etl.apart", "etl.apart"))
}

#[test]
fn takes_what_the_workflow_depends_on_and_its_launch_plans() {
    insta::assert_snapshot!(select(&files(), "etl.my_flow").unwrap());
}

#[test]
fn short_names_know_no_difference_between_dash_and_underscore() {
    let full = select(&files(), "etl.my_flow").unwrap().to_string();
    for name in ["my_flow", "my-flow"] {
        assert_eq!(select(&files(), name).unwrap().to_string(), full, "{name}");
    }
}

#[test]
fn the_full_name_wins_over_short_ones() {
    let files = files().workflow(&workflow("apart", [runs("etl.d")]));
    let plan = select(&files, "apart").unwrap();
    assert_eq!(plan.entities.last().unwrap().id.name, "apart");
}

#[test]
fn no_such_workflow() {
    // The full name is taken as it is.
    for name in ["nope", "etl.my-flow", "etl.a", "flow", ""] {
        let error = select(&files(), name).unwrap_err();
        assert_eq!(error.reason(), Reason::WorkflowNotFound, "{name}");
    }
    insta::assert_snapshot!(select(&files(), "nope").unwrap_err());
}

#[test]
fn more_than_one_such_workflow() {
    let error = select(&files(), "apart").unwrap_err();
    assert_eq!(error.reason(), Reason::WorkflowNotFound);
    insta::assert_snapshot!(error);
}

#[test]
fn a_long_list_of_workflows_is_cut() {
    let files = (0..2000).fold(Files::default(), |files, n| {
        files.workflow(&workflow(&format!("{}{n}", "x".repeat(500)), []))
    });
    let message = select(&files, "nope").unwrap_err().to_string();
    assert!(message.len() < 4096, "{}", message.len());
    assert!(message.ends_with("and 1995 more"), "{message}");
}

//! Entities that FlyteAdmin would mix up, drop or refuse.

use flyte_registration_crd::Reason;
use flyte_registration_fixtures::builder::{
    Files, branches, embeds, id, launch_plan, launches, maps, package, runs, runs_id, task,
    template, with_id, workflow,
};
use flyte_registration_hub::package::{Limits, PackageError, Selection, Target, What, plan, read};
use flyte_registration_proto::flyteidl::{
    admin::TaskSpec,
    core::{ResourceType, TaskTemplate, node},
};
use prost::Message;

use super::{plan_all, read_default, target};

pub fn problems(files: &Files) -> Vec<What> {
    match plan_all(&files.package()) {
        Err(PackageError::Problems(problems)) => {
            problems.into_iter().map(|problem| problem.what).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn only_problem(files: &Files) -> What {
    let mut problems = problems(files);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn same_entity_twice() {
    let files = Files::default().task(&task("a")).task(&task("a"));
    assert!(matches!(only_problem(&files), What::SameEntity { other, .. } if other == "0_a_1.pb"));
}

#[test]
fn entities_that_wait_for_each_other() {
    let files = Files::default()
        .workflow(&workflow("one", [launches("two")]))
        .workflow(&workflow("two", [launches("one")]))
        .launch_plan(&launch_plan("one", "one"))
        .launch_plan(&launch_plan("two", "two"));
    assert_eq!(only_problem(&files), What::Cycle);
}

#[test]
fn recursion_of_embedded_workflows() {
    let mut itself = workflow("w", [embeds("w")]);
    itself.sub_workflows = vec![template("w", [embeds("w")])];
    assert!(
        problems(&Files::default().workflow(&itself)).contains(&What::Recursion("w".to_owned()))
    );

    let mut each_other = workflow("w", [embeds("a")]);
    each_other.sub_workflows = vec![
        template("a", [branches(runs("t"), runs("t"), embeds("b"))]),
        template("b", [maps(embeds("a"))]),
    ];
    let what = only_problem(&Files::default().workflow(&each_other));
    assert_eq!(what, What::Recursion("a".to_owned()));

    let mut on_failure = workflow("w", []);
    on_failure.template.as_mut().unwrap().failure_node = Some(with_id("efn", embeds("w")));
    let what = only_problem(&Files::default().workflow(&on_failure));
    assert_eq!(what, What::Recursion("w".to_owned()));
}

#[test]
fn embedding_one_workflow_in_two_places_is_no_recursion() {
    let mut spec = workflow("w", [embeds("a"), embeds("b"), embeds("b")]);
    spec.sub_workflows = vec![template("a", [embeds("b")]), template("b", [runs("t")])];
    plan_all(&Files::default().workflow(&spec).package()).unwrap();
    spec.sub_workflows.push(template("b", []));
    let what = only_problem(&Files::default().workflow(&spec));
    assert_eq!(what, What::EmbeddedTwice("b".to_owned()));
}

#[test]
fn nodes_that_flyteadmin_drops() {
    let mut spec = workflow("w", [runs("t"), runs("t"), runs("t")]);
    let nodes = &mut spec.template.as_mut().unwrap().nodes;
    nodes[0].id = "start-node".to_owned();
    nodes[2].id = "n1".to_owned();
    let (workflow, node) = ("w".to_owned(), "start-node".to_owned());
    let reserved = What::ReservedNode { workflow, node };
    let (workflow, node) = ("w".to_owned(), "n1".to_owned());
    let duplicate = What::DuplicateNode { workflow, node };
    assert_eq!(
        problems(&Files::default().workflow(&spec)),
        [reserved, duplicate]
    );
}

#[test]
fn the_same_node_ids_in_branches_are_fine() {
    let spec = workflow("w", [branches(runs("t"), runs("t"), runs("t"))]);
    plan_all(&Files::default().workflow(&spec).package()).unwrap();
}

#[test]
fn too_many_nodes() {
    let hundred = |count| workflow("w", (0..count).map(|_| runs("t")));
    plan_all(&Files::default().workflow(&hundred(100)).package()).unwrap();
    let files = Files::default().workflow(&hundred(101));
    assert_eq!(
        only_problem(&files),
        What::Nodes {
            count: 101,
            max: 100
        }
    );
    let error = plan_all(&files.package()).unwrap_err();
    assert_eq!(error.reason(), Reason::PackageTooLarge);
}

#[test]
fn references_that_flyteadmin_takes_for_something_else() {
    let wrong = [
        runs_id(id(ResourceType::Task, "")),
        runs_id(id(ResourceType::Unspecified, "t")),
        runs_id(id(ResourceType::Workflow, "t")),
        launches(""),
        embeds(""),
    ];
    for node in wrong {
        let files = Files::default().workflow(&workflow("w", [node]));
        assert!(matches!(only_problem(&files), What::Reference { node, .. } if node == "n0"));
    }
    let mut plan = launch_plan("p", "w");
    plan.spec.as_mut().unwrap().workflow_id = None;
    let files = Files::default().launch_plan(&plan);
    assert_eq!(
        only_problem(&files),
        What::Missing("the id of its workflow")
    );
    let files = Files::default().launch_plan(&launch_plan("p", ""));
    assert_eq!(
        only_problem(&files),
        What::Missing("the name or type of its workflow")
    );
}

#[test]
fn names_that_flyteadmin_mixes_up() {
    for name in ["a?b", "a#b", "a%b", "a/b", "..", ".", "", "a\0b"] {
        let spec = workflow(name, []);
        let files = Files(vec![("0_x_2.pb".to_owned(), spec.encode_to_vec())]);
        assert_eq!(
            only_problem(&files),
            What::EntityName(name.to_owned()),
            "{name}"
        );
    }
    // Only workflows are stored by name; generated names of tasks hold more.
    plan_all(&Files(vec![("0_x_1.pb".to_owned(), task("a#b/c").encode_to_vec())]).package())
        .unwrap();
}

#[test]
fn what_is_in_the_file_is_not_what_its_name_says() {
    let cases = [
        ("0_a_1.pb", workflow("a", []).encode_to_vec()),
        ("0_a_1.pb", launch_plan("a", "a").encode_to_vec()),
        ("0_a_2.pb", task("a").encode_to_vec()),
        ("0_a_2.pb", launch_plan("a", "a").encode_to_vec()),
        ("0_a_3.pb", task("a").encode_to_vec()),
        ("0_a_3.pb", workflow("a", []).encode_to_vec()),
        ("0_a_1.pb", Vec::new()),
        ("0_a_1.pb", b"not protobuf".to_vec()),
    ];
    for (name, content) in cases {
        let error = plan_all(&package([(name, content)])).unwrap_err();
        assert_eq!(error.reason(), Reason::PackageInvalid);
        assert!(error.to_string().starts_with(name), "{error}");
    }
}

#[test]
fn truncated_protobuf() {
    let whole = task("etl.extract").encode_to_vec();
    for length in 1..whole.len() {
        let part = whole[..length].to_vec();
        let error = plan_all(&package([("0_etl.extract_1.pb", part)])).unwrap_err();
        assert_eq!(error.reason(), Reason::PackageInvalid);
        assert!(
            error.to_string().starts_with("0_etl.extract_1.pb: "),
            "{error}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| (0..depth).fold(runs("t"), |node, _| maps(node));
    let plan =
        |node: node::Target| plan_all(&Files::default().workflow(&workflow("w", [node])).package());
    plan(nested(10)).unwrap();
    let error = plan(nested(1000)).unwrap_err();
    assert_eq!(error.reason(), Reason::PackageInvalid);
}

#[test]
fn all_that_is_wrong_is_told_together() {
    let mut foreign = task("etl.b");
    foreign
        .template
        .as_mut()
        .unwrap()
        .id
        .as_mut()
        .unwrap()
        .version = "v9".to_owned();
    let mut files = Files::default()
        .workflow(&workflow("etl.w", (0..101).map(|_| embeds(""))))
        .task(&foreign);
    files.0.push(("9_etl.empty_1.pb".to_owned(), Vec::new()));
    insta::assert_snapshot!(plan_all(&files.package()).unwrap_err());
}

#[test]
fn the_request_may_not_outgrow_the_limit() {
    let limits = Limits {
        entity_bytes: 400,
        ..Limits::default()
    };
    let spec = TaskSpec {
        template: Some(TaskTemplate {
            r#type: "x".repeat(360),
            ..task("a").template.unwrap()
        }),
        ..TaskSpec::default()
    };
    let archive = read(&*Files::default().task(&spec).package(), &limits).unwrap();
    let error = plan(archive, &target(), &Selection::default()).unwrap_err();
    assert_eq!(error.reason(), Reason::PackageTooLarge);
}

#[test]
fn nothing_is_planned_for_an_unusable_target() {
    let archive = read_default(&Files::default().task(&task("a")).package()).unwrap();
    for version in ["", "a?b", "a/b", "..", "a%", "a#", "a b"] {
        let target = Target {
            version: version.to_owned(),
            ..target()
        };
        let error = plan(archive.clone(), &target, &Selection::default()).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidSpec, "{version}");
    }
}

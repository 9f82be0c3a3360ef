//! Ids of entities are filled in, and nothing else is changed.

use bytes::Bytes;
use flyte_registration_fixtures::builder::{
    Files, branches, embeds, id, launch_plan, launches, maps, package, runs, runs_id, task,
    template, with_id, workflow,
};
use flyte_registration_hub::package::{Plan, What};
use flyte_registration_proto::flyteidl::{
    admin::{TaskCreateRequest, WorkflowCreateRequest, WorkflowSpec},
    core::{Identifier, ResourceType},
};
use proptest::prelude::*;
use prost::Message;

use super::{plan_all, wrong::problems};

fn names(plan: &Plan) -> Vec<&str> {
    let names = plan.entities.iter().map(|entity| entity.id.name.as_str());
    names.collect()
}

/// A workflow that refers to something at every place where that is possible.
fn referring() -> WorkflowSpec {
    let mut spec = workflow(
        "w",
        [
            runs("plain"),
            branches(runs("case"), runs("other"), maps(runs("mapped"))),
            maps(launches("launched")),
            embeds("inner"),
        ],
    );
    spec.template.as_mut().unwrap().failure_node = Some(with_id("efn", runs("cleanup")));
    spec.sub_workflows = vec![template(
        "inner",
        [branches(
            launches("deep"),
            runs("plain"),
            branches(runs("deeper"), runs("plain"), runs("deepest")),
        )],
    )];
    spec
}

fn filled(reference: &Identifier, kind: ResourceType) {
    assert_eq!(reference.resource_type, i32::from(kind));
    assert_eq!(reference.project, "flytesnacks");
    assert_eq!(reference.domain, "development");
    assert_eq!(reference.version, "v1");
}

#[test]
fn every_id_of_a_workflow_is_filled_in() {
    let plan = plan_all(&Files::default().workflow(&referring()).package()).unwrap();
    let names: Vec<_> = plan.external.iter().map(|one| one.id.to_string()).collect();
    assert_eq!(
        names,
        [
            "case", "cleanup", "deeper", "deepest", "mapped", "other", "plain", "deep", "launched",
        ]
        .map(|name| format!("flytesnacks:development:{name}:v1"))
    );

    let request = WorkflowCreateRequest::decode(plan.entities[0].request.clone()).unwrap();
    filled(&request.id.clone().unwrap(), ResourceType::Workflow);
    // No id is left open anywhere: all are written with the project right after the type.
    let open = id(ResourceType::Task, "").encode_to_vec();
    assert_eq!(open, [8, 1]);
    let text = format!("{request:?}");
    assert_eq!(text.matches("project: \"\"").count(), 0);
    assert_eq!(text.matches("version: \"\"").count(), 0);
    let spec = request.spec.unwrap();
    filled(
        &spec.sub_workflows[0].id.clone().unwrap(),
        ResourceType::Workflow,
    );
}

#[test]
fn placeholders_are_filled_in_and_references_elsewhere_stay() {
    let placeholders = Identifier {
        project: "{{ registration.project }}".to_owned(),
        domain: "{{ registration.domain }}".to_owned(),
        version: "{{ registration.version }}".to_owned(),
        ..id(ResourceType::Task, "a")
    };
    let elsewhere = Identifier {
        project: "shared".to_owned(),
        domain: "production".to_owned(),
        version: "2024.1".to_owned(),
        ..id(ResourceType::Task, "clean")
    };
    let pinned = Identifier {
        version: "v0".to_owned(),
        ..id(ResourceType::Task, "a")
    };
    let spec = workflow("w", [placeholders, elsewhere, pinned].map(runs_id));
    let plan = plan_all(&Files::default().task(&task("a")).workflow(&spec).package()).unwrap();
    assert_eq!(plan.entities[1].needs, [0]);
    let external: Vec<_> = plan.external.iter().map(|one| one.id.to_string()).collect();
    assert_eq!(
        external,
        [
            "flytesnacks:development:a:v0",
            "shared:production:clean:2024.1"
        ]
    );
}

type Change = fn(&mut Identifier);

#[test]
fn ids_that_the_package_owns_may_not_point_elsewhere() {
    let set: [(&str, Change); 3] = [
        ("project", |id| id.project = "victim".to_owned()),
        ("domain", |id| id.domain = "production".to_owned()),
        ("version", |id| id.version = "v2".to_owned()),
    ];
    for (part, change) in set {
        let mut one = task("a");
        change(one.template.as_mut().unwrap().id.as_mut().unwrap());
        let mut two = workflow("a", []);
        change(two.template.as_mut().unwrap().id.as_mut().unwrap());
        let mut three = launch_plan("a", "a");
        change(three.id.as_mut().unwrap());
        let files = Files::default()
            .task(&one)
            .workflow(&two)
            .launch_plan(&three);
        let problems = problems(&files);
        assert_eq!(problems.len(), 3, "{part}");
        assert!(
            problems
                .iter()
                .all(|what| matches!(what, What::ForeignId(_))),
            "{part}"
        );
    }
    let mut spec = task("etl.a");
    spec.template.as_mut().unwrap().id.as_mut().unwrap().project = "victim".to_owned();
    insta::assert_snapshot!(plan_all(&Files::default().task(&spec).package()).unwrap_err());
}

#[test]
fn ids_equal_to_the_target_are_fine() {
    let plan = plan_all(&Files::default().task(&task("a")).package()).unwrap();
    let request = TaskCreateRequest::decode(plan.entities[0].request.clone()).unwrap();
    let again = Files::default().task(&request.spec.unwrap()).package();
    assert_eq!(
        plan_all(&again).unwrap().entities[0].request,
        plan.entities[0].request
    );
}

/// A field that no version of `FlyteIDL` has.
fn unknown(number: u32, text: &str) -> Bytes {
    let mut bytes = Vec::new();
    prost::encoding::string::encode(number, &text.to_owned(), &mut bytes);
    bytes.into()
}

#[test]
fn fields_that_we_do_not_know_survive() {
    // TaskSpec with an unknown field, its template with one, and its container with one.
    let container = [
        Bytes::from_static(b"\x0a\x01i"),
        unknown(999, "in the container"),
    ]
    .concat();
    let mut template = task("a").template.unwrap().encode_to_vec();
    prost::encoding::bytes::encode(6, &container, &mut template);
    template.extend_from_slice(&unknown(1234, "in the template"));
    let mut spec = Vec::new();
    prost::encoding::bytes::encode(1, &template, &mut spec);
    spec.extend_from_slice(&unknown(77, "in the spec"));

    let plan = plan_all(&package([("0_a_1.pb", spec)])).unwrap();
    let request = &plan.entities[0].request;
    for field in [
        unknown(999, "in the container"),
        unknown(1234, "in the template"),
        unknown(77, "in the spec"),
    ] {
        let found = request
            .windows(field.len())
            .filter(|window| *window == field);
        assert_eq!(found.count(), 1);
    }
    // Read by what we do know, it is what it was.
    let request = TaskCreateRequest::decode(request.clone()).unwrap();
    let template = request.spec.unwrap().template.unwrap();
    assert_eq!(template.id.unwrap().name, "a");
}

#[test]
fn each_comes_after_what_it_needs() {
    let files = Files::default()
        .launch_plan(&launch_plan("late", "outer"))
        .workflow(&workflow("outer", [launches("early"), runs("a")]))
        .launch_plan(&launch_plan("early", "inner"))
        .workflow(&workflow("inner", [runs("a")]))
        .task(&task("a"));
    let plan = plan_all(&files.package()).unwrap();
    assert_eq!(names(&plan), ["a", "inner", "early", "outer", "late"]);
    insta::assert_snapshot!(plan);
}

proptest! {
    #[test]
    fn no_change_of_a_file_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut content = referring().encode_to_vec();
        let at = at.index(content.len());
        content[at] = byte;
        content.truncate(cut.index(content.len()) + 1);
        let _ = plan_all(&package([("0_w_2.pb", content)]));
    }
}

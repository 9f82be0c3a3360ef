use flyte_registration_crd::{EntityAction, Reason};
use flyte_registration_fixtures::builder::{Files, launch_plan, runs, task, workflow};
use flyte_registration_hub::registrar::Report;
use flyte_registration_proto::flyteidl::{
    admin::{TaskSpec, WorkflowSpec},
    core::{
        Binding, BindingData, Container, LiteralType, OutputReference, RuntimeMetadata, SimpleType,
        TaskMetadata, TypedInterface, Variable, VariableMap, binding_data, literal_type,
        task_template,
    },
};

use super::{peer, planned, target};

fn integer(name: &str) -> VariableMap {
    let variable = Variable {
        r#type: Some(LiteralType {
            r#type: Some(literal_type::Type::Simple(SimpleType::Integer.into())),
            ..LiteralType::default()
        }),
        ..Variable::default()
    };
    VariableMap {
        variables: [(name.to_owned(), variable)].into(),
    }
}

/// A task that FlyteAdmin takes.
pub fn runnable(name: &str) -> TaskSpec {
    let mut spec = task(name);
    let template = spec.template.as_mut().unwrap();
    template.r#type = String::from("python-task");
    template.metadata = Some(TaskMetadata {
        runtime: Some(RuntimeMetadata {
            version: "1.16.31".to_owned(),
            ..RuntimeMetadata::default()
        }),
        ..TaskMetadata::default()
    });
    template.interface = Some(TypedInterface::default());
    template.target = Some(task_template::Target::Container(Container {
        image: "ghcr.io/acme/etl:v1".to_owned(),
        args: vec!["run".to_owned()],
        ..Container::default()
    }));
    spec
}

/// `shared.clean(x: int) -> int`, to which a package of the fixtures refers.
pub fn clean() -> TaskSpec {
    let mut spec = runnable("shared.clean");
    spec.template.as_mut().unwrap().interface = Some(TypedInterface {
        inputs: Some(integer("x")),
        outputs: Some(integer("o0")),
    });
    spec
}

/// `shared.refresh(x: int) -> int`, to which it refers as well.
pub fn refresh() -> WorkflowSpec {
    let promise = |node: &str, var: &str| BindingData {
        value: Some(binding_data::Value::Promise(OutputReference {
            node_id: node.to_owned(),
            var: var.to_owned(),
            ..OutputReference::default()
        })),
        ..BindingData::default()
    };
    let binding = |var: &str, data| Binding {
        var: var.to_owned(),
        binding: Some(data),
    };
    let mut spec = workflow("shared.refresh", [runs("shared.clean")]);
    let template = spec.template.as_mut().unwrap();
    template.interface = Some(TypedInterface {
        inputs: Some(integer("x")),
        outputs: Some(integer("o0")),
    });
    template.nodes[0].inputs = vec![binding("x", promise("", "x"))];
    template.outputs = vec![binding("o0", promise("n0", "o0"))];
    spec
}

pub fn failed(report: &Report) -> (Reason, &str) {
    let failure = report.failure.as_ref().unwrap();
    (failure.reason, &failure.message)
}

#[tokio::test]
async fn other_content_under_the_same_version() {
    let peer = peer().await;
    let files = |image: &str| {
        let mut changed = runnable("etl.changed");
        let template = changed.template.as_mut().unwrap();
        let Some(task_template::Target::Container(container)) = &mut template.target else {
            panic!("no container");
        };
        container.image = image.to_owned();
        Files::default()
            .task(&changed)
            .task(&runnable("etl.same"))
            .workflow(&workflow("etl.uses", [runs("etl.changed")]))
            .launch_plan(&launch_plan("etl.uses", "etl.uses"))
            .workflow(&workflow("etl.other", [runs("etl.same")]))
            .package()
    };
    let first = planned(&files("ghcr.io/acme/etl:v1"), &target("v1"));
    assert_eq!(peer.registrar.register(&first).await.failure, None);

    let second = planned(&files("ghcr.io/acme/etl:v2?token=secret"), &target("v1"));
    let report = peer.registrar.register(&second).await;
    assert_eq!(failed(&report).0, Reason::VersionConflict);
    insta::assert_snapshot!(failed(&report).1);
    insta::assert_yaml_snapshot!(report.entities);
    assert_eq!((report.counts.failed, report.counts.unchanged), (1, 2));
}

#[tokio::test]
async fn a_long_conflict_arrives_whole_enough() {
    let peer = peer().await;
    // 32,000 bytes of text, three times as many in the trailers: the names are not ASCII.
    let files = |nodes: usize| {
        let name = format!("etl.{}", "ö".repeat(180));
        Files::default()
            .task(&runnable(&name))
            .workflow(&workflow("etl.long", (0..nodes).map(|_| runs(&name))))
            .package()
    };
    let first = planned(&files(99), &target("v1"));
    assert_eq!(peer.registrar.register(&first).await.failure, None);
    let report = peer
        .registrar
        .register(&planned(&files(98), &target("v1")))
        .await;
    assert_eq!(failed(&report).0, Reason::VersionConflict, "{report:?}");
}

/// Of two limits next to each other one is within a character of two bytes.
#[tokio::test]
async fn messages_cut_within_a_character_arrive() {
    let mut spec = workflow("etl.w", [runs("etl.t")]);
    let node = &mut spec.template.as_mut().unwrap().nodes[0];
    node.id = "ö".repeat(200);
    node.upstream_node_ids = vec!["nowhere".to_owned()];
    let files = Files::default().task(&runnable("etl.t")).workflow(&spec);
    let plan = planned(&files.package(), &target("v1"));
    let mut cut = Vec::new();
    for limit in [320, 321] {
        let peer = peer().await;
        peer.fault(&format!(
            r#"{{"rpc": "CreateWorkflow", "action": {{"truncated": {limit}}}}}"#
        ));
        let report = peer.registrar.register(&plan).await;
        let (reason, message) = failed(&report);
        assert_eq!(reason, Reason::FlyteRejected);
        assert!(message.contains("ööö"), "{message}");
        cut.push(message.ends_with('\u{fffd}'));
    }
    assert_ne!(cut[0], cut[1]);
}

/// Its heading is what tells a conflict, whatever is left of the rest, and no detail.
#[tokio::test]
async fn a_conflict_is_one_without_its_end_and_its_details() {
    let peer = peer().await;
    let files = |nodes: usize| {
        let nodes = (0..nodes).map(|_| runs("etl.t"));
        let files = Files::default().task(&runnable("etl.t"));
        files.workflow(&workflow("etl.w", nodes)).package()
    };
    let plans = [1, 2].map(|nodes| planned(&files(nodes), &target("v1")));
    assert_eq!(peer.registrar.register(&plans[0]).await.failure, None);
    peer.fault(r#"{"rpc": "CreateWorkflow", "action": {"truncated": 120}}"#);
    let report = peer.registrar.register(&plans[1]).await;
    assert_eq!(failed(&report).0, Reason::VersionConflict, "{report:?}");
}

#[tokio::test]
async fn what_flyteadmin_refuses() {
    let peer = peer().await;
    let files = Files::default()
        .task(&task("etl.nothing"))
        .task(&runnable("etl.fine"))
        .workflow(&workflow("etl.uses", [runs("etl.nothing")]));
    let report = peer
        .registrar
        .register(&planned(&files.package(), &target("v1")))
        .await;
    assert_eq!(failed(&report).0, Reason::FlyteRejected);
    insta::assert_snapshot!(failed(&report).1);
    let actions: Vec<_> = report.entities.iter().map(|one| one.action).collect();
    assert_eq!(
        actions,
        [
            EntityAction::Failed,
            EntityAction::Skipped,
            EntityAction::Created
        ]
    );
}

use flyte_registration_crd::{Counts, EntityAction, Reason};
use flyte_registration_fixtures::{
    builder::{Files, launch_plan, runs, workflow},
    packages::{ETL, FEATURES},
};
use flyte_registration_hub::{
    package::Plan,
    registrar::{Comparison, Report},
};
use flyte_registration_proto::flyteidl::{
    admin::{TaskSpec, schedule::ScheduleExpression},
    core::{Container, KeyValuePair, task_template},
};

use super::{creates, peer, planned, refused::runnable, target};

/// What no message may show.
const SECRET: &str = "s3cr3t";

fn container(spec: &mut TaskSpec) -> &mut Container {
    match &mut spec.template.as_mut().unwrap().target {
        Some(task_template::Target::Container(container)) => container,
        other => panic!("{other:?}"),
    }
}

/// Tasks with secrets in them, one of which has this image.
fn plan_with(image: &str, secret: &str, count: usize) -> Plan {
    let mut files = Files::default();
    for n in 0..count {
        let mut spec = runnable(&format!("etl.t{n}"));
        let container = container(&mut spec);
        image.clone_into(&mut container.image);
        container.args.push(secret.to_owned());
        container.env.push(KeyValuePair {
            key: "TOKEN".to_owned(),
            value: secret.to_owned(),
        });
        files = files.task(&spec);
    }
    planned(&files.package(), &target("v1"))
}

fn text_of(report: &Report) -> String {
    format!("{report:?}")
}

#[tokio::test]
async fn a_conflict_is_explained_without_secrets() {
    let peer = peer().await;
    let first = plan_with("ghcr.io/a:v1", SECRET, 1);
    assert_eq!(peer.registrar.register(&first).await.failure, None);
    peer.counts();
    let second = plan_with("ghcr.io/a:v2", &format!("{SECRET}-other"), 1);
    let report = peer.registrar.register(&second).await;
    let failure = report.failure.clone().unwrap();
    assert_eq!(failure.reason, Reason::VersionConflict);
    let differences = "container.image ghcr.io/a:v1 → ghcr.io/a:v2; container.args changed; \
                       container.env[TOKEN].value changed";
    assert_eq!(
        failure.message,
        format!(
            "version v1 is registered with other content: task etl.t0: {differences}; \
             register a new version"
        )
    );
    let message = report.entities[0].message.clone().unwrap();
    assert_eq!(
        message,
        format!("registered with other content: {differences}")
    );
    assert!(!text_of(&report).contains(SECRET), "{report:?}");
    assert_eq!(peer.counts().by_rpc["GetTask"], 1);
}

#[tokio::test]
async fn many_conflicts_are_explained_within_bounds() {
    let peer = peer().await;
    let first = plan_with("ghcr.io/a:v1", "one", 40);
    assert_eq!(peer.registrar.register(&first).await.failure, None);
    peer.counts();
    let second = plan_with(&format!("ghcr.io/{}:v2", "a".repeat(90)), "two", 40);
    let report = peer.registrar.register(&second).await;
    assert_eq!(peer.counts().by_rpc["GetTask"], 20);
    let explained = report.entities.iter().filter(|entity| {
        let message = entity.message.as_deref().unwrap_or_default();
        message.contains("container.image ghcr.io/a:v1 → ")
    });
    assert_eq!((explained.count(), report.counts.failed), (20, 40));
    let message = report.failure.unwrap().message;
    assert!(message.len() <= 1024, "{message}");
    assert!(
        message.ends_with(" and 35 more; register a new version"),
        "{message}"
    );
}

#[tokio::test]
async fn a_conflict_that_cannot_be_looked_at_is_still_told() {
    let peer = peer().await;
    let first = plan_with("ghcr.io/a:v1", "same", 1);
    assert_eq!(peer.registrar.register(&first).await.failure, None);
    peer.fault(r#"{"rpc": "GetTask", "action": {"fail": {"code": 12, "message": "no"}}}"#);
    let report = peer
        .registrar
        .register(&plan_with("ghcr.io/a:v2", "same", 1))
        .await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.reason, Reason::VersionConflict);
    let message =
        "version v1 is registered with other content: task etl.t0; register a new version";
    assert_eq!(failure.message, message);
    assert_eq!(
        report.entities[0].message.as_deref(),
        Some("this version is registered with other content")
    );
}

#[tokio::test]
async fn workflows_and_launch_plans_are_explained() {
    let peer = peer().await;
    let files = |task: &str, minute: &str| {
        let mut plan = launch_plan("etl.main", "etl.main");
        let spec = plan.spec.as_mut().unwrap();
        let metadata = spec.entity_metadata.get_or_insert_default();
        metadata
            .schedule
            .get_or_insert_default()
            .schedule_expression = Some(ScheduleExpression::CronExpression(format!(
            "{minute} * * * *"
        )));
        let files = Files::default()
            .task(&runnable("etl.a"))
            .task(&runnable("etl.b"))
            .workflow(&workflow("etl.main", [runs(task)]))
            .launch_plan(&plan);
        planned(&files.package(), &target("v1"))
    };
    assert_eq!(
        peer.registrar.register(&files("etl.a", "0")).await.failure,
        None
    );
    let report = peer.registrar.register(&files("etl.b", "0")).await;
    let message = report.failure.unwrap().message;
    let expected = "nodes[n0].task_node.reference_id.name etl.a → etl.b";
    assert!(message.contains(expected), "{message}");
    let report = peer.registrar.register(&files("etl.a", "5")).await;
    let message = report.failure.unwrap().message;
    let expected = "entity_metadata.schedule.cron_expression 0 * * * * → 5 * * * *";
    assert!(message.contains(expected), "{message}");
}

#[tokio::test]
async fn a_diff_only_reads() {
    let peer = peer().await;
    let plan = planned(ETL, &target("v1"));
    let absent = peer.registrar.diff(&plan).await.unwrap();
    assert_eq!(absent, vec![Comparison::Absent; 10]);
    assert_eq!(creates(&peer.counts()), 0);
    assert_eq!(
        peer.registrar.register(&plan).await.counts,
        Counts {
            tasks: 5,
            workflows: 2,
            launch_plans: 3,
            created: 10,
            ..Counts::default()
        }
    );
    peer.counts();
    assert_eq!(
        peer.registrar.diff(&plan).await.unwrap(),
        vec![Comparison::Same; 10]
    );
    let counts = peer.counts();
    assert_eq!((creates(&counts), counts.total), (0, 10));

    peer.fault(r#"{"action": {"fail": {"code": 16, "message": "token parse error"}}}"#);
    let error = peer.registrar.diff(&plan).await.unwrap_err().to_string();
    assert!(error.contains("token parse error"), "{error}");
}

#[tokio::test]
async fn everything_that_pyflyte_packages_is_found_again() {
    let peer = peer().await;
    peer.with_shared().await;
    let plan = planned(FEATURES, &target("v1"));
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None, "{report:?}");
    assert!(
        report
            .entities
            .iter()
            .all(|entity| entity.action == EntityAction::Created)
    );
    assert_eq!(
        peer.registrar.diff(&plan).await.unwrap(),
        vec![Comparison::Same; 23]
    );
}

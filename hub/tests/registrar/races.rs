//! Others who write at the same time, and what FlyteAdmin leaves behind when it fails half way.
//! The emulator does as a real FlyteAdmin v1.16.8 does in such races.

use flyte_registration_crd::{EntityAction, EntityType, Reason};
use flyte_registration_fixtures::{
    builder::{Files, launch_plan, runs, workflow},
    packages::ETL,
};
use flyte_registration_hub::registrar::{Comparison, Registrar, Report};
use flyte_registration_proto::flyteidl::{
    admin::DescriptionEntity,
    core::{TypedInterface, VariableMap},
};
use futures::future::join_all;

use super::{
    Peer, config, creates, peer, planned,
    refused::{failed, runnable},
    target,
};

const RACED: &str = r#"{"rpc": "CreateWorkflow", "action": "raced"}"#;

fn files(nodes: usize) -> Vec<u8> {
    let mut spec = workflow("etl.w", (0..nodes).map(|_| runs("etl.t")));
    spec.template.as_mut().unwrap().interface = Some(TypedInterface {
        inputs: Some(VariableMap::default()),
        outputs: Some(VariableMap::default()),
    });
    spec.description = Some(DescriptionEntity {
        short_description: "What it is for".to_owned(),
        ..DescriptionEntity::default()
    });
    Files::default()
        .task(&runnable("etl.t"))
        .workflow(&spec)
        .launch_plan(&launch_plan("etl.w", "etl.w"))
        .package()
}

/// Another process that registers at the same FlyteAdmin.
fn other(peer: &Peer) -> Registrar {
    Registrar::new("other", &config(&peer.emulator)).unwrap()
}

fn actions(report: &Report, kind: EntityType) -> Vec<EntityAction> {
    let entities = report.entities.iter().filter(|one| one.type_ == kind);
    entities.map(|one| one.action).collect()
}

#[tokio::test]
async fn what_another_registers_at_the_same_moment_is_unchanged() {
    for (rpc, entities) in [("CreateWorkflow", 2), ("CreateLaunchPlan", 3)] {
        let peer = peer().await;
        peer.fault(&format!(r#"{{"rpc": "{rpc}", "action": "raced"}}"#));
        let plan = planned(ETL, &target("v1"));
        let other = other(&peer);
        let reports = join_all([&peer.registrar, &other].map(|one| one.register(&plan))).await;
        for report in &reports {
            assert_eq!(report.failure, None, "{rpc}");
        }
        let sum = |count: fn(&Report) -> u32| reports.iter().map(count).sum::<u32>();
        assert_eq!(sum(|report| report.counts.created), 10, "{rpc}");
        assert_eq!(sum(|report| report.counts.unchanged), 10, "{rpc}");
        // The losers were told no more than that there is something, and asked again.
        let counts = peer.counts();
        assert!(counts.by_rpc[rpc] > 2 * entities, "{:?}", counts.by_code);
    }
}

/// FlyteAdmin says the same to the loser whatever its structure, and keeps its closure.
#[tokio::test]
async fn a_lost_race_is_a_conflict_and_a_spoilt_win_is_noticed() {
    let peer = peer().await;
    peer.fault(RACED);
    let plans = [1, 2].map(|nodes| planned(&files(nodes), &target("v1")));
    let other = other(&peer);
    let both = [&peer.registrar, &other].into_iter().zip(&plans);
    let reports = join_all(both.map(|(one, plan)| one.register(plan))).await;
    let lost = reports.iter().position(|report| report.failure.is_some());
    let lost = lost.unwrap();
    let won = 1 - lost;
    assert_eq!(reports[won].failure, None);
    assert_eq!(failed(&reports[lost]).0, Reason::VersionConflict);

    // The winner's row is there, but the loser's nodes are what would run.
    peer.emulator.faults().clear();
    let report = peer.registrar.register(&plans[won]).await;
    let (reason, message) = failed(&report);
    assert_eq!(reason, Reason::VersionConflict);
    assert!(message.contains("workflow etl.w: nodes[n1]"), "{message}");
}

/// One of them at a time is sent, so that nobody's closure is overwritten.
#[tokio::test]
async fn two_structures_under_one_version_never_race() {
    let peer = peer().await;
    peer.fault(RACED);
    let plans: Vec<_> = (1..=4)
        .map(|nodes| planned(&files(nodes), &target("v1")))
        .collect();
    let reports = join_all(plans.iter().map(|plan| peer.registrar.register(plan))).await;
    let won = reports.iter().position(|report| report.failure.is_none());
    let won = won.unwrap();
    for (index, report) in reports
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != won)
    {
        assert_eq!(failed(report).0, Reason::VersionConflict, "{index}");
    }
    let held = peer.registrar.diff(&plans[won]).await.unwrap();
    assert_eq!(held, vec![Comparison::Same; 3]);
}

/// FlyteAdmin says for ever that it exists to a Create with a description, and that it does
/// not to a Get.
#[tokio::test]
async fn a_leftover_description_is_left_where_it_is() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "CreateWorkflow", "action": "halfDone", "count": 1}"#);
    let plan = planned(&files(1), &target("v1"));
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None, "{report:?}");
    assert_eq!(report.counts.created, 3);
    let told = report
        .entities
        .iter()
        .filter_map(|one| one.message.as_deref());
    assert_eq!(
        told.collect::<Vec<_>>(),
        ["registered without its description, as FlyteAdmin kept one of an attempt that failed"]
    );
    assert!(creates(&peer.counts()) <= 6);
    let report = peer.registrar.register(&plan).await;
    assert_eq!((report.failure, report.counts.unchanged), (None, 3));
    assert!(!peer.counts().by_rpc.contains_key("CreateWorkflow"));
}

/// The other way round: the task is there, its description is not, and stays away.
#[tokio::test]
async fn a_task_that_lost_its_description_is_registered() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "CreateTask", "action": "halfDone", "count": 1}"#);
    let report = peer
        .registrar
        .register(&planned(&files(1), &target("v1")))
        .await;
    assert_eq!((report.failure, report.counts.created), (None, 3));
}

/// FlyteAdmin calls it identical and never mends it, and it cannot run.
#[tokio::test]
async fn a_workflow_whose_closure_is_lost_does_not_pass_for_registered() {
    let peer = peer().await;
    let plan = planned(&files(1), &target("v1"));
    assert_eq!(peer.registrar.register(&plan).await.failure, None);
    peer.emulator.lose_closures().unwrap();
    peer.counts();
    let report = peer.registrar.register(&plan).await;
    let (reason, message) = failed(&report);
    assert_eq!(reason, Reason::FlyteUnavailable);
    assert!(
        message.contains("Unable to read WorkflowClosure"),
        "{message}"
    );
    assert_eq!(
        actions(&report, EntityType::Workflow),
        [EntityAction::Failed]
    );
    assert_eq!(
        actions(&report, EntityType::Task),
        [EntityAction::Unchanged]
    );
    // Asking again would not help.
    assert_eq!(peer.counts().by_rpc["GetWorkflow"], 1);
}

/// What failed for want of something that is there later is no verdict on it.
#[tokio::test]
async fn a_refusal_for_a_missing_dependency_is_not_final() {
    let peer = peer().await;
    let message = "failed to compile workflow for [x] with err: missing entity of type TASK";
    peer.fault(&format!(
        r#"{{"rpc": "CreateWorkflow", "action": {{"fail": {{"code": 3, "message": "{message}"}}}}, "count": 1}}"#
    ));
    let plan = planned(&files(1), &target("v1"));
    let report = peer.registrar.register(&plan).await;
    assert_eq!(failed(&report).0, Reason::ReferenceNotFound);
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None);
    assert_eq!((report.counts.created, report.counts.unchanged), (2, 1));
}

//! Others who write at the same time, and what FlyteAdmin leaves behind when it fails half way.
//! The answers are those of a real FlyteAdmin v1.16.8 in such races.

use flyte_registration_crd::{EntityAction, Reason};

use super::{
    ETL, Peer,
    builder::{Files, launch_plan, runs, workflow},
    creates, peer, planned,
    refused::{failed, runnable},
    target,
};

/// What a Create answers while somebody else writes the row, whatever the structure.
const TAKEN: &str = r#"{"fail": {"code": 6, "message": "value with matching already exists (duplicate key value violates unique constraint \"workflows_pkey\")"}}"#;
/// What it answers for ever where a description outlived its workflow.
const LEFTOVER: &str = r#"{"fail": {"code": 6, "message": "value with matching already exists (duplicate key value violates unique constraint \"description_entities_pkey\")"}}"#;

fn files(nodes: usize) -> Vec<u8> {
    Files::default()
        .task(&runnable("etl.t"))
        .workflow(&workflow("etl.w", (0..nodes).map(|_| runs("etl.t"))))
        .launch_plan(&launch_plan("etl.w", "etl.w"))
        .package()
}

fn taken(peer: &Peer, rpc: &str, action: &str, count: &str) {
    peer.fault(&format!(r#"{{"rpc": "{rpc}", "action": {action}{count}}}"#));
}

#[tokio::test]
async fn a_row_that_another_is_writing_is_waited_for() {
    for rpc in ["CreateWorkflow", "CreateLaunchPlan"] {
        let peer = peer().await;
        taken(&peer, rpc, TAKEN, r#", "count": 2"#);
        let report = peer.registrar.register(&planned(ETL, &target("v1"))).await;
        assert_eq!(report.failure, None, "{rpc}");
        assert_eq!(report.counts.created, 10);
    }
}

/// The answer says the same of another structure: only a look tells.
#[tokio::test]
async fn a_row_that_another_wrote_counts_only_if_it_is_the_same() {
    let peer = peer().await;
    let first = planned(ETL, &target("v1"));
    assert_eq!(peer.registrar.register(&first).await.failure, None);
    // As if it had not been there when it was looked for.
    let hidden = r#"{"rpc": "ListWorkflows", "action": {"fail": {"code": 3}}, "count": 1}"#;
    peer.fault(hidden);
    taken(&peer, "CreateWorkflow", TAKEN, "");
    let report = peer.registrar.register(&first).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.counts.unchanged, 10);

    peer.emulator.faults().clear();
    let first = planned(&files(1), &target("v1"));
    assert_eq!(peer.registrar.register(&first).await.failure, None);
    peer.fault(hidden);
    taken(&peer, "CreateWorkflow", TAKEN, r#", "count": 1"#);
    let second = planned(&files(2), &target("v1"));
    let report = peer.registrar.register(&second).await;
    assert_eq!(failed(&report).0, Reason::VersionConflict);
}

/// FlyteAdmin then says that it exists to every Create, and that it does not to every Get.
#[tokio::test]
async fn a_leftover_description_never_passes_for_a_workflow() {
    let peer = peer().await;
    taken(&peer, "CreateWorkflow", LEFTOVER, "");
    let report = peer
        .registrar
        .register(&planned(&files(1), &target("v1")))
        .await;
    let (reason, message) = failed(&report);
    assert_eq!(reason, Reason::FlyteUnavailable);
    assert!(message.contains("description_entities_pkey"), "{message}");
    let actions: Vec<_> = report.entities.iter().map(|one| one.action).collect();
    let expected = [
        EntityAction::Failed,
        EntityAction::Skipped,
        EntityAction::Created,
    ];
    assert_eq!(actions, expected);
    // It is not asked for ever.
    assert!(creates(&peer.counts()) <= 6);
}

/// Raced, FlyteAdmin stores the closure of one and the digest of the other. One of them at a
/// time is sent, so that the other is told of the conflict.
#[tokio::test]
async fn two_structures_under_one_version_never_race() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "CreateWorkflow", "action": {"delayMs": 30}}"#);
    let plans: Vec<_> = (1..=4)
        .map(|nodes| planned(&files(nodes), &target("v1")))
        .collect();
    let reports = plans.iter().map(|plan| peer.registrar.register(plan));
    let reports = futures::future::join_all(reports).await;
    let log = peer.emulator.counters().log();
    let writes: Vec<_> = log
        .iter()
        .filter(|logged| logged.call.rpc == "CreateWorkflow")
        .map(|logged| (logged.started, logged.ended.unwrap()))
        .collect();
    assert_eq!(writes.len(), 4);
    for pair in writes.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "{writes:?}");
    }
    let won = reports.iter().filter(|report| report.failure.is_none());
    assert_eq!(won.count(), 1);
    for report in reports.iter().filter(|report| report.failure.is_some()) {
        assert_eq!(failed(report).0, Reason::VersionConflict, "{report:?}");
    }
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

use std::time::{Duration, Instant};

use flyte_registration_crd::{EntityAction, Reason};
use flyte_registration_fixtures::{builder::Files, packages::ETL};
use flyte_registration_hub::registrar::Registrar;
use flyteadmin_emulator::Options;

use super::{config, creates, peer, peer_with, planned, target};

#[tokio::test]
async fn recovers_from_failures_that_pass() {
    for code in [14, 13, 4, 8] {
        let peer = peer().await;
        peer.fault(&format!(
            r#"{{"rpc": "CreateTask", "action": {{"fail": {{"code": {code}, "message": "try later"}}}}, "count": 3}}"#
        ));
        peer.fault(r#"{"rpc": "ListTasks", "action": {"fail": {"code": 14}}, "count": 1}"#);
        let report = peer.registrar.register(&planned(ETL, &target("v1"))).await;
        assert_eq!(report.failure, None, "{code}");
        assert_eq!(report.counts.created, 10);
        assert_eq!(creates(&peer.counts()), 13);
    }
}

#[tokio::test]
async fn an_answer_that_got_lost_is_no_conflict() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "CreateWorkflow", "action": "lostAnswer", "count": 1}"#);
    let report = peer.registrar.register(&planned(ETL, &target("v1"))).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.counts.created, 10);
    assert_eq!(creates(&peer.counts()), 11);
}

#[tokio::test]
async fn a_dependency_that_fails_takes_only_its_dependents_along() {
    let peer = peer().await;
    // Used by one of the two workflows only.
    peer.fault(
        r#"{"rpc": "CreateTask", "name": "etl.flows.zero", "action": {"fail": {"code": 14, "message": "gone"}}}"#,
    );
    let plan = planned(ETL, &target("v1"));
    let report = peer.registrar.register(&plan).await;
    let failure = report.failure.as_ref().unwrap();
    assert_eq!(failure.reason, Reason::FlyteUnavailable);
    insta::assert_snapshot!(failure.message);
    insta::assert_yaml_snapshot!(report.entities);
    assert_eq!((report.counts.created, report.counts.failed), (6, 1));

    peer.emulator.faults().clear();
    peer.counts();
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None);
    assert_eq!((report.counts.created, report.counts.unchanged), (4, 6));
    assert_eq!(creates(&peer.counts()), 4);
}

#[tokio::test]
async fn a_flyteadmin_that_is_down_is_found_out_soon() {
    let emulator = flyteadmin_emulator::Emulator::start(&Options::default())
        .await
        .unwrap();
    let config = config(&emulator);
    drop(emulator);
    let registrar = Registrar::new("main", &config).unwrap();
    let begin = Instant::now();
    let report = registrar.register(&planned(ETL, &target("v1"))).await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.reason, Reason::FlyteUnavailable);
    assert!(failure.message.contains("refused"), "{}", failure.message);
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn when_all_fails_not_everything_is_tried() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "CreateTask", "action": {"fail": {"code": 14}}}"#);
    let files = (0..200).fold(Files::default(), |files, n| {
        files.task(&super::refused::runnable(&format!("t{n}")))
    });
    let report = peer
        .registrar
        .register(&planned(&files.package(), &target("v1")))
        .await;
    assert_eq!(
        report.failure.as_ref().unwrap().reason,
        Reason::FlyteUnavailable
    );
    let actions = |action| {
        report
            .entities
            .iter()
            .filter(|one| one.action == action)
            .count()
    };
    assert!(actions(EntityAction::Skipped) > 100, "{:?}", report.counts);
    assert!(creates(&peer.counts()) < 120);
}

#[tokio::test]
async fn a_hanging_call_ends_at_its_deadline() {
    let peer = peer_with(&Options::default(), |config| {
        config.call_timeout = Duration::from_millis(300);
    })
    .await;
    peer.fault(r#"{"rpc": "CreateTask", "action": "hang", "count": 2}"#);
    let report = peer.registrar.register(&planned(ETL, &target("v1"))).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.counts.created, 10);
}

#[tokio::test]
async fn refused_credentials_end_it_at_once() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "CreateTask", "action": {"fail": {"code": 16, "message": "token parse error"}}}"#);
    let report = peer.registrar.register(&planned(ETL, &target("v1"))).await;
    let failure = report.failure.as_ref().unwrap();
    assert_eq!(failure.reason, Reason::FlyteUnavailable);
    assert!(
        failure.message.contains("token parse error"),
        "{}",
        failure.message
    );
    assert!(creates(&peer.counts()) <= 5);
}

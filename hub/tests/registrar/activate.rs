use std::time::Duration;

use flyte_registration_crd::{EntityAction, EntityType, Reason};
use flyte_registration_fixtures::packages::ETL;
use flyte_registration_hub::registrar::{Activated, Report};
use flyteadmin_emulator::{Options, http::Schedule};

use super::{Activation, Peer, creates, peer, peer_with, planned, target};

/// The launch plan of the package that has a schedule; two others have none.
const SCHEDULED: &str = "nightly";

impl Peer {
    async fn activate(&self, version: &str, activation: &Activation) -> Report {
        let plan = planned(ETL, &target(version));
        let chosen = plan.chosen(activation).unwrap();
        let report = self.registrar.register(&plan).await;
        self.registrar.activate(&plan, &chosen, report).await
    }

    /// Versions that were ever scheduled, and whether they would run.
    async fn schedules(&self) -> Vec<(String, bool)> {
        let url = format!("http://{}/schedules", self.emulator.http);
        // The client wants a provider even for plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let rows: Vec<Schedule> = reqwest::get(url).await.unwrap().json().await.unwrap();
        let mut rows: Vec<_> = rows
            .into_iter()
            .map(|row| (row.version, row.active))
            .collect();
        rows.sort();
        rows
    }

    async fn running(&self) -> Vec<String> {
        let schedules = self.schedules().await.into_iter();
        schedules
            .filter_map(|(version, active)| active.then_some(version))
            .collect()
    }
}

fn action(report: &Report) -> (EntityAction, Option<&str>) {
    let is = |one: &&flyte_registration_crd::Entity| {
        one.type_ == EntityType::LaunchPlan && one.name == SCHEDULED
    };
    let entity = report.entities.iter().find(is).unwrap();
    (entity.action, entity.message.as_deref())
}

#[tokio::test]
async fn a_schedule_runs_and_is_swapped() {
    let peer = peer().await;
    let report = peer.activate("v1", &Activation::Scheduled).await;
    assert_eq!(report.failure, None);
    assert_eq!((report.counts.created, report.counts.activated), (10, 1));
    assert_eq!(action(&report), (EntityAction::Activated, None));
    assert_eq!(peer.running().await, ["v1"]);
    // One look at the entities, one before, one after.
    let counts = peer.counts();
    assert_eq!(counts.by_rpc["UpdateLaunchPlan"], 1);
    assert_eq!(counts.by_rpc["ListLaunchPlans"], 3);

    let report = peer.activate("v2", &Activation::Scheduled).await;
    assert_eq!(report.failure, None);
    let before = Activated {
        name: SCHEDULED.to_owned(),
        before: Some("v1".to_owned()),
    };
    assert_eq!(report.activations, [before]);
    assert_eq!(
        action(&report),
        (
            EntityAction::Activated,
            Some("version v1 was active before")
        )
    );
    assert_eq!(
        peer.schedules().await,
        [("v1".to_owned(), false), ("v2".to_owned(), true)]
    );
    assert_eq!(peer.counts().by_rpc["UpdateLaunchPlan"], 1);

    // Back again, as after an edit.
    let report = peer.activate("v1", &Activation::Scheduled).await;
    assert_eq!((report.failure, report.counts.unchanged), (None, 10));
    assert_eq!(peer.running().await, ["v1"]);
}

#[tokio::test]
async fn nothing_is_activated_unasked_nor_before_all_is_registered() {
    let peer = peer().await;
    let report = peer.activate("v1", &Activation::None).await;
    assert_eq!((report.failure, report.counts.activated), (None, 0));
    peer.fault(
        r#"{"rpc": "CreateTask", "name": "etl.flows.zero", "action": {"fail": {"code": 3}}}"#,
    );
    let report = peer.activate("v2", &Activation::All).await;
    assert_eq!(report.failure.unwrap().reason, Reason::FlyteRejected);
    assert_eq!(peer.counts().by_rpc.get("UpdateLaunchPlan"), None);
    assert!(peer.schedules().await.is_empty());
}

#[tokio::test]
async fn what_is_active_already_is_written_only_where_a_schedule_may_be_off() {
    let peer = peer().await;
    let report = peer.activate("v1", &Activation::All).await;
    assert_eq!((report.failure, report.counts.activated), (None, 3));
    peer.counts();
    let report = peer.activate("v1", &Activation::All).await;
    assert_eq!((report.failure, report.counts.activated), (None, 3));
    let counts = peer.counts();
    assert_eq!(creates(&counts), 0);
    assert_eq!(counts.by_rpc["UpdateLaunchPlan"], 1);
    assert_eq!(peer.running().await, ["v1"]);
}

#[tokio::test]
async fn a_lost_answer_is_not_asked_for_again() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "UpdateLaunchPlan", "action": "lostAnswer", "count": 1}"#);
    let report = peer.activate("v1", &Activation::Scheduled).await;
    assert_eq!((report.failure, report.counts.activated), (None, 1));
    assert_eq!(peer.counts().by_rpc["UpdateLaunchPlan"], 1);
}

#[tokio::test]
async fn what_a_race_leaves_active_is_deactivated() {
    let peer = peer().await;
    peer.activate("v1", &Activation::Scheduled).await;
    peer.fault(r#"{"rpc": "UpdateLaunchPlan", "action": "raced", "count": 1}"#);
    let report = peer.activate("v2", &Activation::Scheduled).await;
    assert_eq!(report.failure, None);
    assert_eq!(
        peer.schedules().await,
        [("v1".to_owned(), false), ("v2".to_owned(), true)]
    );
}

#[tokio::test]
async fn many_at_a_time_leave_one() {
    let options = Options {
        latency_ms: 2,
        ..Options::default()
    };
    let peer = peer_with(&options, |_| {}).await;
    let versions: Vec<_> = (0..6).map(|n| format!("v{n}")).collect();
    let all = versions
        .iter()
        .map(|version| peer.activate(version, &Activation::Scheduled));
    for report in futures::future::join_all(all).await {
        assert_eq!((report.failure, report.counts.activated), (None, 1));
    }
    assert_eq!(peer.running().await.len(), 1);
    assert_eq!(peer.counts().by_rpc["UpdateLaunchPlan"], 6);
}

#[tokio::test]
async fn a_failed_activation_leaves_the_running_schedule_running() {
    let peer = peer().await;
    peer.activate("v1", &Activation::Scheduled).await;
    peer.fault(r#"{"rpc": "UpdateLaunchPlan", "version": "v2", "action": "halfDone"}"#);
    let report = peer.activate("v2", &Activation::Scheduled).await;
    let failure = report.failure.as_ref().unwrap();
    assert_eq!(failure.reason, Reason::FlyteUnavailable);
    insta::assert_snapshot!(failure.message);
    assert_eq!((report.counts.activated, report.counts.failed), (0, 1));
    assert_eq!(action(&report).0, EntityAction::Failed);
    assert_eq!(report.entities[0].action, EntityAction::Failed);
    assert_eq!(peer.running().await, ["v1"]);

    peer.emulator.faults().clear();
    let report = peer.activate("v2", &Activation::Scheduled).await;
    assert_eq!(report.failure, None);
    assert_eq!(peer.running().await, ["v2"]);
}

#[tokio::test]
async fn a_refused_activation_is_final() {
    let peer = peer().await;
    peer.activate("v1", &Activation::Scheduled).await;
    peer.fault(
        r#"{"rpc": "UpdateLaunchPlan", "version": "v2", "action": {"fail": {"code": 3, "message": "no"}}}"#,
    );
    let report = peer.activate("v2", &Activation::Scheduled).await;
    let failure = report.failure.unwrap();
    assert_eq!(failure.reason, Reason::FlyteRejected);
    assert_eq!(
        failure.message,
        "launch plan nightly: cannot be activated: no; version v1 is active again"
    );
    assert_eq!(peer.running().await, ["v1"]);
}

#[tokio::test]
async fn a_schedule_that_could_not_be_brought_back_is_told() {
    let peer = peer().await;
    peer.activate("v1", &Activation::Scheduled).await;
    let fail = r#""action": {"fail": {"code": 3, "message": "no"}}"#;
    peer.fault(r#"{"rpc": "UpdateLaunchPlan", "version": "v2", "action": "halfDone", "count": 1}"#);
    peer.fault(&format!(r#"{{"rpc": "UpdateLaunchPlan", {fail}}}"#));
    let report = peer.activate("v2", &Activation::Scheduled).await;
    let message = report.failure.unwrap().message;
    assert!(message.ends_with("its schedule may not run"), "{message}");
    assert!(peer.running().await.is_empty());
}

/// A registration that nobody waits for any more must not leave the schedule off.
#[tokio::test]
async fn dropping_it_does_not_leave_it_half_done() {
    let peer = peer().await;
    peer.activate("v1", &Activation::Scheduled).await;
    peer.counts();
    peer.fault(r#"{"rpc": "UpdateLaunchPlan", "version": "v2", "action": "halfDone"}"#);
    {
        let activate = std::pin::pin!(peer.activate("v2", &Activation::Scheduled));
        let off = std::pin::pin!(async { while !peer.running().await.is_empty() {} });
        futures::future::select(activate, off).await;
    }
    let again = async {
        while peer.running().await != ["v1"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again)
        .await
        .unwrap();
}

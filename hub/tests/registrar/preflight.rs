//! What is looked at before the first write.

use flyte_registration_crd::{EntityType, Reason};
use flyte_registration_fixtures::{
    builder,
    packages::{ETL, FEATURES},
};
use flyte_registration_hub::package::{ExternalReference, Id, Limits, Plan, Selection, plan, read};
use flyte_registration_hub::registrar::FlyteAdminConfig;
use flyteadmin_emulator::Options;

use super::{Peer, creates, peer, peer_with, planned, refused::failed, target};

fn elsewhere(kind: EntityType, name: &str, version: &str) -> ExternalReference {
    ExternalReference {
        kind,
        id: Id {
            project: "data-warehouse".to_owned(),
            domain: "production".to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
        },
    }
}

fn referring(external: impl IntoIterator<Item = ExternalReference>) -> Plan {
    Plan {
        external: external.into_iter().collect(),
        ..planned(ETL, &target("v1"))
    }
}

/// The counts of a registration that failed with this, and wrote nothing.
async fn nothing_written(peer: &Peer, plan: &Plan, reason: Reason, message: &str) {
    let report = peer.registrar.register(plan).await;
    assert_eq!(failed(&report), (reason, message));
    assert_eq!(report.counts.failed, 0);
    assert!(report.entities.is_empty());
    let counts = peer.counts();
    assert_eq!(creates(&counts), 0);
    assert!(!counts.by_rpc.contains_key("RegisterProject"), "{counts:?}");
}

#[tokio::test]
async fn no_such_project_or_domain() {
    let peer = peer().await;
    let mut nowhere = target("v1");
    nowhere.project = "nope".to_owned();
    let plan = planned(ETL, &nowhere);
    let message = "project nope does not exist";
    nothing_written(&peer, &plan, Reason::ProjectNotFound, message).await;
    nowhere = target("v1");
    nowhere.domain = "qa".to_owned();
    let plan = planned(ETL, &nowhere);
    let message = "domain qa does not exist; there are development, staging, production";
    nothing_written(&peer, &plan, Reason::DomainNotFound, message).await;
}

#[tokio::test]
async fn nothing_is_written_while_a_reference_is_missing() {
    let peer = peer().await;
    let plan = planned(FEATURES, &target("v1"));
    let report = peer.registrar.register(&plan).await;
    assert_eq!(failed(&report).0, Reason::ReferenceNotFound);
    insta::assert_snapshot!(failed(&report).1);
    assert_eq!(creates(&peer.counts()), 0);

    peer.with_shared().await;
    assert_eq!(peer.registrar.register(&plan).await.failure, None);
}

#[tokio::test]
async fn all_that_is_wrong_is_told_together() {
    let peer = peer().await;
    let mut nowhere = target("v1");
    nowhere.project = "nope".to_owned();
    nowhere.domain = "qa".to_owned();
    let plan = Plan {
        external: vec![
            elsewhere(EntityType::Task, "shared.clean", "2024.1"),
            elsewhere(EntityType::Workflow, "shared.refresh", "2024.1"),
            elsewhere(EntityType::LaunchPlan, "shared.refresh", "2024.1"),
        ],
        ..planned(ETL, &nowhere)
    };
    let message = "project nope does not exist; \
        domain qa does not exist; there are development, staging, production; \
        the package refers to what is not registered: \
        task data-warehouse:production:shared.clean:2024.1, \
        workflow data-warehouse:production:shared.refresh:2024.1, \
        launch plan data-warehouse:production:shared.refresh:2024.1";
    nothing_written(&peer, &plan, Reason::ProjectNotFound, message).await;
}

#[tokio::test]
async fn references_of_every_kind_are_found() {
    let peer = peer().await;
    peer.with_shared().await;
    peer.counts();
    let plan = referring([
        elsewhere(EntityType::Task, "shared.clean", "2024.1"),
        elsewhere(EntityType::Workflow, "shared.refresh", "2024.1"),
        elsewhere(EntityType::LaunchPlan, "shared.refresh", "2024.1"),
    ]);
    assert_eq!(peer.registrar.register(&plan).await.failure, None);
    let counts = peer.counts();
    for rpc in ["GetTask", "GetWorkflow", "GetLaunchPlan"] {
        assert_eq!(counts.by_rpc[rpc], 1, "{rpc}");
    }
}

/// `GetTask` of FlyteAdmin answers with some task of the name, or of the whole server, where
/// version or name are empty.
#[tokio::test]
async fn an_id_with_an_empty_part_is_never_taken_for_found() {
    let peer = peer().await;
    peer.with_shared().await;
    peer.counts();
    for (name, version) in [("shared.clean", ""), ("", "2024.1"), ("", "")] {
        let plan = referring([elsewhere(EntityType::Task, name, version)]);
        let message = format!(
            "the package refers to what is not registered: task data-warehouse:production:{name}:{version}"
        );
        nothing_written(&peer, &plan, Reason::ReferenceNotFound, &message).await;
    }
}

#[tokio::test]
async fn many_references_are_looked_up_within_the_limit_and_told_in_short() {
    let options = Options {
        latency_ms: 3,
        ..Options::default()
    };
    let peer = peer_with(&options, |config| config.max_in_flight = 4).await;
    let names: Vec<_> = (0..40).map(|n| format!("lib.t{n:02}")).collect();
    let all = names
        .iter()
        .map(|name| elsewhere(EntityType::Task, name, "1"));
    let report = peer.registrar.register(&referring(all)).await;
    insta::assert_snapshot!(failed(&report).1);
    let counts = peer.counts();
    assert_eq!(counts.by_rpc["GetTask"], 40);
    assert_eq!(counts.peak_in_flight, 4);
}

#[tokio::test]
async fn where_flyteadmin_does_not_say_the_create_decides() {
    let peer = peer().await;
    peer.fault(
        r#"{"rpc": "GetTask", "action": {"fail": {"code": 13, "message": "failed database operation with value too long"}}}"#,
    );
    let plan = referring([elsewhere(EntityType::Task, "lib.t", "1")]);
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.counts.created, 10);
}

#[tokio::test]
async fn a_look_that_fails_for_the_moment_is_repeated() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "GetTask", "action": {"fail": {"code": 14}}, "count": 2}"#);
    peer.fault(r#"{"rpc": "GetProject", "action": {"fail": {"code": 4}}, "count": 1}"#);
    let files = builder::Files::default().task(&super::refused::clean());
    let mut shared = target("1");
    shared.project = "data-warehouse".to_owned();
    shared.domain = "production".to_owned();
    let shared = planned(&files.package(), &shared);
    assert_eq!(peer.registrar.register(&shared).await.failure, None);
    let plan = referring([elsewhere(EntityType::Task, "shared.clean", "1")]);
    assert_eq!(peer.registrar.register(&plan).await.failure, None);
    assert_eq!(peer.counts().by_rpc["GetTask"], 3);
}

/// A FlyteAdmin may be configured with other limits than its defaults.
#[tokio::test]
async fn each_flyteadmin_has_limits_of_its_own() {
    let nodes = (0..3).map(|_| builder::runs("etl.t"));
    let files = builder::Files::default()
        .task(&super::refused::runnable("etl.t"))
        .workflow(&builder::workflow("etl.w", nodes))
        .package();
    let refusal = async |change: fn(&mut FlyteAdminConfig)| {
        let peer = peer_with(&Options::default(), change).await;
        let limits = peer.registrar.limits(&Limits::default());
        let archive = read(files.as_slice(), &limits);
        let plan = archive.and_then(|archive| plan(archive, &target("v1"), &Selection::default()));
        plan.err().map(|error| error.to_string())
    };
    assert_eq!(refusal(|_| ()).await, None);
    let nodes = refusal(|config| config.max_workflow_nodes = 2).await;
    assert!(nodes.as_ref().unwrap().contains("etl.w"), "{nodes:?}");
    let size = refusal(|config| config.max_message_size_bytes = 20).await;
    assert!(size.as_ref().unwrap().contains("20"), "{size:?}");
}

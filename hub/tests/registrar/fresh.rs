use std::collections::BTreeMap;

use flyte_registration_crd::{Counts, EntityAction};
use flyte_registration_fixtures::{
    builder::Files,
    packages::{ETL, FEATURES},
};
use flyte_registration_hub::package::Plan;
use flyteadmin_emulator::Options;

use super::{creates, peer, peer_with, planned, target};

const CREATED: Counts = Counts {
    tasks: 5,
    workflows: 2,
    launch_plans: 3,
    created: 10,
    unchanged: 0,
    activated: 0,
    failed: 0,
};

#[tokio::test]
async fn a_package_is_registered_and_then_left_alone() {
    let peer = peer().await;
    let plan = planned(ETL, &target("v1"));
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.counts, CREATED);
    assert!(
        report
            .entities
            .iter()
            .all(|one| one.action == EntityAction::Created)
    );
    let expected = [
        ("CreateLaunchPlan", 3),
        ("CreateTask", 5),
        ("CreateWorkflow", 2),
        ("GetDomains", 1),
        ("GetProject", 1),
        ("ListLaunchPlans", 1),
        ("ListTasks", 1),
        ("ListWorkflows", 1),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(rpc, n)| (rpc.to_owned(), n)).into();
    assert_eq!(peer.counts().by_rpc, expected);

    // The second time everything is proven to be there, and nothing is written.
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None);
    assert_eq!(
        report.counts,
        Counts {
            created: 0,
            unchanged: 10,
            ..CREATED
        }
    );
    let counts = peer.counts();
    assert_eq!(creates(&counts), 0);
    assert_eq!(counts.by_rpc["GetWorkflow"], 2);
    // The lists and these; project and domain were seen a moment ago.
    assert_eq!(counts.total, 5);
}

#[tokio::test]
async fn only_what_is_missing_is_created() {
    let peer = peer().await;
    let plan = planned(ETL, &target("v1"));
    // As if it had been stopped half way.
    let half = Plan {
        entities: plan.entities[..6].to_vec(),
        ..plan.clone()
    };
    assert_eq!(peer.registrar.register(&half).await.counts.created, 6);
    peer.counts();
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None);
    assert_eq!((report.counts.created, report.counts.unchanged), (4, 6));
    assert_eq!(creates(&peer.counts()), 4);
}

#[tokio::test]
async fn every_kind_of_entity_is_proven_to_be_there() {
    let peer = peer().await;
    // What the package refers to in another project, so that it can be registered.
    peer.with_shared().await;

    let plan = planned(FEATURES, &target("v1"));
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None, "{report:?}");
    assert_eq!(report.counts.created, 23);
    peer.counts();
    let report = peer.registrar.register(&plan).await;
    assert_eq!(report.failure, None, "{report:?}");
    assert_eq!(report.counts.unchanged, 23);
    assert_eq!(creates(&peer.counts()), 0);
}

#[tokio::test]
async fn versions_that_no_filter_can_name_are_registered_by_trying() {
    let peer = peer().await;
    let plan = planned(ETL, &target("1.0+build.7"));
    assert_eq!(peer.registrar.register(&plan).await.counts.created, 10);
    assert_eq!(peer.registrar.register(&plan).await.counts.unchanged, 10);
}

#[tokio::test]
async fn lists_are_paged_when_others_share_the_version() {
    let peer = peer().await;
    let others = (0..40).fold(Files::default(), |files, n| {
        files.task(&super::refused::runnable(&format!("other.t{n}")))
    });
    let others = planned(&others.package(), &target("v1"));
    assert_eq!(peer.registrar.register(&others).await.failure, None);
    let plan = planned(ETL, &target("v1"));
    peer.registrar.register(&plan).await;
    peer.counts();
    assert_eq!(peer.registrar.register(&plan).await.counts.unchanged, 10);
    let counts = peer.counts();
    assert_eq!(creates(&counts), 0);
    // Newest first: all that is wanted may be on the first page, and never on more than are needed.
    assert!((1..=9).contains(&counts.by_rpc["ListTasks"]), "{counts:?}");
}

#[tokio::test]
async fn never_more_in_flight_than_allowed() {
    let options = Options {
        latency_ms: 3,
        ..Options::default()
    };
    for max in [1, 3] {
        let peer = peer_with(&options, |config| config.max_in_flight = max).await;
        let plans: Vec<_> = (0..4)
            .map(|n| planned(ETL, &target(&format!("v{n}"))))
            .collect();
        let reports = plans.iter().map(|plan| peer.registrar.register(plan));
        for report in futures::future::join_all(reports).await {
            assert_eq!(report.failure, None);
            assert_eq!(report.counts, CREATED);
        }
        let counts = peer.counts();
        assert_eq!(creates(&counts), 40);
        assert_eq!(counts.peak_in_flight, max as u64);
        assert_eq!(peer.registrar.load().in_flight, 0);
    }
}

#[tokio::test]
async fn the_same_plan_at_the_same_time_writes_everything_once_as_far_as_it_counts() {
    let peer = peer().await;
    let plan = planned(ETL, &target("v1"));
    let (one, two) = futures::join!(
        peer.registrar.register(&plan),
        peer.registrar.register(&plan)
    );
    assert_eq!((one.failure, two.failure), (None, None));
    assert_eq!(one.counts.created + two.counts.created, 10);
    assert_eq!(one.counts.unchanged + two.counts.unchanged, 10);
}

#[tokio::test]
async fn dropping_it_stops_it() {
    let options = Options {
        latency_ms: 50,
        ..Options::default()
    };
    let peer = peer_with(&options, |config| config.max_in_flight = 1).await;
    let plan = planned(ETL, &target("v1"));
    {
        let register = std::pin::pin!(peer.registrar.register(&plan));
        let wait = std::pin::pin!(async {
            while peer.emulator.counters().snapshot().total < 7 {
                tokio::task::yield_now().await;
            }
        });
        futures::future::select(register, wait).await;
    }
    assert_eq!(peer.registrar.load().in_flight, 0);
    let begun = peer.emulator.counters().snapshot().total;
    assert_eq!(begun, 7);
    assert_eq!(peer.registrar.register(&plan).await.failure, None);
}

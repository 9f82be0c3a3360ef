//! What the registrar does to a FlyteAdmin that has enough to do, and when it has too much.

use std::{pin::pin, time::Duration};

use flyte_registration_fixtures::builder::Files;
use flyte_registration_hub::{
    package::Plan,
    registrar::{FlyteAdminConfig, Registrar, Report},
};
use flyteadmin_emulator::{Emulator, Options};
use futures::future::{self, Either};
use serde_json::json;

use super::{Peer, creates, peer, peer_with, planned, refused::runnable, target};

const TASKS: usize = 200;

/// As many tasks as fill FlyteAdmin for a while.
fn tasks(version: &str) -> Plan {
    let files = (0..TASKS).fold(Files::default(), |files, n| {
        files.task(&runnable(&format!("etl.t{n}")))
    });
    planned(&files.package(), &target(version))
}

/// The calls of both are in flight together, and none of them is made at the end of all that the large one needs.
#[tokio::test]
async fn a_small_package_does_not_wait_for_a_large_one() {
    let peer = peer().await;
    let large = tasks("v1");
    let small = Files::default().task(&runnable("etl.other"));
    let small = planned(&small.package(), &target("v2"));
    let mut registering = pin!(peer.registrar.register(&large));
    while creates(&peer.emulator.counters().snapshot()) == 0 {
        let turn = pin!(tokio::task::yield_now());
        let ended = future::select(registering.as_mut(), turn).await;
        assert!(matches!(ended, Either::Right(_)));
    }
    let beside = pin!(peer.registrar.register(&small));
    let Either::Right((report, _)) = future::select(registering, beside).await else {
        panic!("the large one was first");
    };
    assert_eq!(report.counts.created, 1);
}

/// FlyteAdmin with `maxConnections: 16`: creates in flight that reach it lock it up until their callers
/// give up.
fn small_pool() -> Options {
    Options {
        pool_limit: Some(16),
        latency_ms: 3,
        ..Options::default()
    }
}

/// Registers, and tells each number of calls that were allowed in flight on the way, the first and last among
/// them.
async fn watched(peer: &Peer, plan: &Plan) -> (Report, Vec<usize>) {
    let mut limits = vec![peer.registrar.load().limit];
    let mut register = pin!(peer.registrar.register(plan));
    loop {
        // Looks after each turn of the work: between two, no more calls end than may be in flight.
        let turn = pin!(tokio::task::yield_now());
        let ended = match future::select(register.as_mut(), turn).await {
            Either::Left((report, _)) => Some(report),
            Either::Right(_) => None,
        };
        let now = peer.registrar.load().limit;
        if limits.last() != Some(&now) {
            limits.push(now);
        }
        if let Some(report) = ended {
            return (report, limits);
        }
    }
}

/// Several large packages at once, with nothing said in the configuration.
#[tokio::test]
async fn the_default_does_not_lock_up_a_small_pool() {
    let emulator = Emulator::start(&small_pool()).await.unwrap();
    let config = json!({"endpoint": emulator.grpc.to_string(), "insecure": true});
    let config: FlyteAdminConfig = serde_json::from_value(config).unwrap();
    let registrar = Registrar::new("main", &config).unwrap();
    let before = registrar.load().limit;
    let plans: Vec<_> = (0..3).map(|n| tasks(&format!("v{n}"))).collect();
    let reports = plans.iter().map(|plan| registrar.register(plan));
    for report in future::join_all(reports).await {
        assert_eq!(report.failure, None);
    }
    let counts = emulator.counters().snapshot();
    assert_eq!(creates(&counts), 3 * TASKS as u64);
    assert_eq!(counts.by_code["CreateTask Ok"], 3 * TASKS as u64);
    assert_eq!(counts.peak_in_flight, 8);
    // Nothing that would have looked like strain.
    assert_eq!(registrar.load().limit, before);
}

/// The pool is one that can be locked up; who is told too large a number finds out and gets it going again.
#[tokio::test]
async fn too_many_in_flight_lock_it_up_and_fewer_free_it() {
    let peer = peer_with(&small_pool(), |config| {
        config.max_in_flight = 24;
        config.call_timeout = Duration::from_millis(400);
    })
    .await;
    let (report, limits) = watched(&peer, &tasks("v1")).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.counts.created as usize, TASKS);
    let counts = peer.counts();
    let refused = creates(&counts) - TASKS as u64;
    // All that were in flight hung: each of the sixteen had one connection and waited for another.
    assert!(refused >= 16, "{counts:?}");
    assert_eq!(limits[..2], [24, 12], "{limits:?}");
}

/// `Internal`, `Unavailable`, a deadline, too many requests: the first of them halves the number in flight, and
/// what goes well afterwards brings it back, one by one.
#[tokio::test]
async fn slows_down_at_the_first_sign_of_strain_and_comes_back() {
    for code in [13, 14, 4, 8] {
        let peer = peer().await;
        peer.fault(&format!(
            r#"{{"rpc": "CreateTask", "action": {{"fail": {{"code": {code}, "message": "busy"}}}}, "count": 1}}"#
        ));
        let (report, limits) = watched(&peer, &tasks("v1")).await;
        assert_eq!(report.failure, None);
        assert_eq!(limits, [8, 4, 5, 6, 7, 8], "{code}");
        assert_eq!(creates(&peer.counts()), TASKS as u64 + 1);
    }
}

/// One wave of failures is one sign; if it goes on, it slows down further, to one call at a time.
#[tokio::test]
async fn slows_down_further_while_the_strain_lasts() {
    let peer = peer().await;
    peer.fault(r#"{"rpc": "CreateTask", "action": {"fail": {"code": 14}}, "count": 16}"#);
    let (report, limits) = watched(&peer, &tasks("v1")).await;
    assert_eq!(report.failure, None);
    assert_eq!(limits[..4], [8, 4, 2, 1], "{limits:?}");
    assert_eq!(limits.last(), Some(&8));
}

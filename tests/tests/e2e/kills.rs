//! The hub is killed in the middle of registering, again and again.

use std::time::Duration;

use anyhow::Result;
use flyte_registration_tests::{World, block_on, system::CLUSTERS};
use rand::RngExt as _;
use serde_json::json;

use crate::support::{
    SAMPLE_ENTITIES, SOON, apply_all, calls, emulator, latency, push_sample, repeated_creates,
    system_with,
};

const KILLS: u64 = 10;
const EACH: usize = 20;
const MAX_IN_FLIGHT: u64 = 4;

#[test]
fn a_hub_killed_ten_times_converges_and_repeats_no_more_than_was_in_flight() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("kills").await?;
        let hub = json!({"flyteAdmins": {"main": {"maxInFlight": MAX_IN_FLIGHT}}});
        let system = system_with("kills", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;
        // Slow enough that ten kills fall into the work: 400 creates, four at a time.
        latency(&flyteadmin, 60).await?;
        apply_all(&system, &uri, EACH).await?;
        for _ in 0..KILLS {
            // Whatever happens first, more work done or a moment passed: the point must be random.
            let pause = rand::rng().random_range(50..900);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            system.restart_hub().await?;
        }
        latency(&flyteadmin, 0).await?;
        for cluster in 0..CLUSTERS.len() {
            system.all(cluster, EACH, "Registered", 2 * SOON).await?;
        }
        let repeats: u64 = repeated_creates(&flyteadmin)
            .await?
            .iter()
            .map(|count| count - 1)
            .sum();
        assert!(
            repeats <= KILLS * MAX_IN_FLIGHT,
            "{repeats} creates were repeated"
        );
        let created = calls(&flyteadmin, Some("CreateTask")).await?;
        assert!(
            created >= (CLUSTERS.len() * EACH) as u64 * SAMPLE_ENTITIES / 2,
            "{created} tasks were created"
        );
        assert_eq!(
            world.registry.count("GET", "/v2/kills/etl/blobs/").await?,
            1
        );
        Ok(())
    })
}

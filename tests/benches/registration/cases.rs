//! What is measured.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use flyte_registration_hub::{
    package::{Archive, Plan},
    registrar::{FlyteAdminConfig, Registrar},
};
use flyte_registration_tests::{delay::delayed, peers::FlyteAdmin};
use reqwest::Method;
use serde_json::json;
use tonic::Code;

use super::{bare, package};

const PROJECT: &str = "flytesnacks";
const ROUND_TRIPS: [u64; 3] = [0, 20, 50];
const IN_FLIGHT: [usize; 2] = [8, 24];

/// The figures for one distance, each once for each round.
#[derive(Default)]
pub struct Distance {
    /// Round trip in milliseconds.
    pub round_trip: u64,
    /// New entities, one call at a time.
    pub one_at_a_time: Vec<Duration>,
    /// The same calls again, all answered with "already exists".
    pub again_one_at_a_time: Vec<Duration>,
    /// With several in flight.
    pub lanes: Vec<Lanes>,
}

/// The figures for as many calls in flight.
#[derive(Default)]
pub struct Lanes {
    /// Most calls in flight.
    pub in_flight: usize,
    /// The registrar, new entities.
    pub registrar: Vec<Duration>,
    /// The bare client, new entities.
    pub bare: Vec<Duration>,
    /// The registrar, everything being there already.
    pub unchanged: Vec<Duration>,
}

/// Takes each figure `rounds` times. One after the other, so that what else the machine does meets them all.
pub async fn measure(rounds: usize) -> Result<Vec<Distance>> {
    // The first of the process; whatever speaks TLS finds it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let flyteadmin = FlyteAdmin::start("bench", &[PROJECT]).await?;
    let mut bench = Bench {
        archive: package::archive().await?,
        flyteadmin,
        run: format!("b{:08x}", rand::random::<u32>()),
        versions: 0,
    };
    let mut distances = Vec::new();
    for round_trip in ROUND_TRIPS {
        let address = delayed(
            bench.flyteadmin.endpoint(),
            Duration::from_millis(round_trip),
        )?;
        let lanes = IN_FLIGHT.map(|in_flight| Lanes {
            in_flight,
            ..Lanes::default()
        });
        let distance = Distance {
            round_trip,
            lanes: lanes.into(),
            ..Distance::default()
        };
        distances.push((address, distance));
    }
    for round in 1..=rounds {
        for (address, distance) in &mut distances {
            eprintln!("round {round} of {rounds}, {} ms away", distance.round_trip);
            bench.round(*address, distance).await?;
        }
    }
    Ok(distances
        .into_iter()
        .map(|(_, distance)| distance)
        .collect())
}

struct Bench {
    archive: Archive,
    flyteadmin: FlyteAdmin,
    run: String,
    versions: usize,
}

impl Bench {
    async fn round(&mut self, address: SocketAddr, distance: &mut Distance) -> Result<()> {
        let plan = self.fresh()?;
        let time = timed(bare::send(address, &plan, 1, Code::Ok)).await?;
        distance.one_at_a_time.push(time);
        let time = timed(bare::send(address, &plan, 1, Code::AlreadyExists)).await?;
        distance.again_one_at_a_time.push(time);
        for lanes in &mut distance.lanes {
            let plan = self.fresh()?;
            let time = timed(bare::send(address, &plan, lanes.in_flight, Code::Ok)).await?;
            lanes.bare.push(time);
            let plan = self.fresh()?;
            let time = timed(Box::pin(register(address, &plan, lanes.in_flight, true))).await?;
            lanes.registrar.push(time);
            let writes = self.writes().await?;
            let time = timed(Box::pin(register(address, &plan, lanes.in_flight, false))).await?;
            lanes.unchanged.push(time);
            ensure!(self.writes().await? == writes, "what is there was written");
        }
        Ok(())
    }

    /// The package under a version that nobody has registered.
    fn fresh(&mut self) -> Result<Plan> {
        self.versions += 1;
        let version = format!("{}.{}", self.run, self.versions);
        package::planned(&self.archive, PROJECT, &version)
    }

    /// The writes that FlyteAdmin has had, where it counts them.
    async fn writes(&self) -> Result<u64> {
        if !self.flyteadmin.is_emulator() {
            return Ok(0);
        }
        let counters = self
            .flyteadmin
            .control(Method::GET, "counters", None)
            .await?;
        let counts = counters["byRpc"].as_object().into_iter().flatten();
        let writes =
            counts.filter(|(rpc, _)| rpc.starts_with("Create") || rpc.starts_with("Update"));
        Ok(writes.filter_map(|(_, count)| count.as_u64()).sum())
    }
}

/// Registers with a registrar that knows nothing yet: connecting, looking for project and domain, and asking
/// what is there are a part of it.
async fn register(address: SocketAddr, plan: &Plan, in_flight: usize, new: bool) -> Result<()> {
    let config: FlyteAdminConfig = serde_json::from_value(json!({
        "endpoint": address.to_string(),
        "insecure": true,
        "maxInFlight": in_flight,
    }))?;
    let report = Registrar::new("bench", &config)?.register(plan).await;
    ensure!(report.failure.is_none(), "{:?}", report.failure);
    let counts = &report.counts;
    let as_expected = if new {
        counts.created
    } else {
        counts.unchanged
    };
    ensure!(as_expected as usize == package::ENTITIES, "{counts:?}");
    Ok(())
}

async fn timed(work: impl Future<Output = Result<()>>) -> Result<Duration> {
    let began = Instant::now();
    work.await?;
    Ok(began.elapsed())
}

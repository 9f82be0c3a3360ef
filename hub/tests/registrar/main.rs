//! The registrar against an emulator of FlyteAdmin that answers as a real one was recorded.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod activate;
mod auth;
mod conflict;
mod faults;
mod fresh;
mod preflight;
mod projects;
mod races;
mod refused;
mod strain;
mod tls;
mod tokens;
mod upload;

use std::time::Duration;

use flyte_registration_fixtures::builder;
use flyte_registration_hub::{
    package::{Activation, Limits, Plan, Selection, Target, plan, read},
    registrar::{FlyteAdminConfig, Registrar},
};
use flyteadmin_emulator::{Emulator, Options, counters::Snapshot, faults::Rule};

/// A FlyteAdmin, and what speaks to it.
struct Peer {
    emulator: Emulator,
    registrar: Registrar,
}

fn config(emulator: &Emulator) -> FlyteAdminConfig {
    FlyteAdminConfig {
        insecure: true,
        call_timeout: Duration::from_secs(5),
        ..FlyteAdminConfig::at(emulator.grpc.to_string())
    }
}

async fn peer() -> Peer {
    peer_with(&Options::default(), |_| {}).await
}

async fn peer_with(options: &Options, change: impl FnOnce(&mut FlyteAdminConfig)) -> Peer {
    let emulator = Emulator::start(options).await.unwrap();
    let mut config = config(&emulator);
    change(&mut config);
    let registrar = Registrar::new("main", &config).unwrap();
    Peer {
        emulator,
        registrar,
    }
}

impl Peer {
    /// The counts since the last time.
    fn counts(&self) -> Snapshot {
        let counters = self.emulator.counters();
        let snapshot = counters.snapshot();
        counters.reset();
        snapshot
    }

    /// Registers what the features package refers to in another project.
    async fn with_shared(&self) {
        let shared = builder::Files::default()
            .task(&refused::clean())
            .workflow(&refused::refresh())
            .launch_plan(&builder::launch_plan("shared.refresh", "shared.refresh"));
        let elsewhere = Target {
            project: "data-warehouse".to_owned(),
            domain: "production".to_owned(),
            version: "2024.1".to_owned(),
        };
        let plan = planned(&shared.package(), &elsewhere);
        assert_eq!(self.registrar.register(&plan).await.failure, None);
    }

    /// Adds a fault, as JSON.
    fn fault(&self, rule: &str) {
        let rule: Rule = serde_json::from_str(rule).unwrap();
        self.emulator.faults().add(vec![rule]);
    }
}

fn creates(counts: &Snapshot) -> u64 {
    let creates = counts
        .by_rpc
        .iter()
        .filter(|(rpc, _)| rpc.starts_with("Create"));
    creates.map(|(_, count)| count).sum()
}

fn target(version: &str) -> Target {
    Target {
        project: "flytesnacks".to_owned(),
        domain: "development".to_owned(),
        version: version.to_owned(),
    }
}

fn planned(package: &[u8], target: &Target) -> Plan {
    let archive = read(package, &Limits::default()).unwrap();
    plan(archive, target, &Selection::default()).unwrap()
}

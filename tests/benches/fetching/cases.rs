//! What is measured.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, ensure};
use flyte_registration_tests::{paths::run_dir, peers::Registry};

use super::{
    bare, hub,
    store::{self, PACKAGES, Packages},
};

/// The figures for some packages, each once for each round.
pub struct Case {
    /// What was fetched.
    pub packages: Packages,
    /// Nothing was on disk before; else all of it.
    pub cold: bool,
    /// The hub.
    pub hub: Vec<hub::Taken>,
    /// Requests that the registry answered, refusals too.
    pub requests: u32,
    /// The bare client, each way.
    pub bare: Vec<(bare::Way, Vec<Duration>)>,
}

impl Case {
    fn new(packages: Packages, cold: bool) -> Self {
        Self {
            packages,
            cold,
            hub: Vec::new(),
            requests: 0,
            bare: Vec::new(),
        }
    }
}

/// Takes each figure `rounds` times. One after the other, so that what else the machine does meets them all.
pub async fn measure(rounds: usize) -> Result<Vec<Case>> {
    eprintln!("uploading");
    let registry = store::filled().await?;
    let mut distinct = Case::new(Packages::Distinct, true);
    let mut again = Case::new(Packages::Distinct, false);
    let mut shared = Case::new(Packages::Shared, true);
    for case in [&mut distinct, &mut shared] {
        case.bare = bare::WAYS.map(|way| (way, Vec::new())).into();
    }
    // They go at the end: a file system that has just removed thousands of files is slower at making others.
    let mut dirs = Vec::new();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        let dir = run_dir("bench-cache")?;
        for case in [&mut distinct, &mut again] {
            take(&registry, case, &dir).await?;
        }
        dirs.push(dir);
        let dir = run_dir("bench-cache")?;
        take(&registry, &mut shared, &dir).await?;
        dirs.push(dir);
    }
    for dir in dirs {
        fs::remove_dir_all(dir)?;
    }
    Ok(vec![distinct, again, shared])
}

async fn take(registry: &Registry, case: &mut Case, cache: &Path) -> Result<()> {
    for (way, times) in &mut case.bare {
        times.push(bare::fetch(registry, case.packages, *way).await?);
    }
    let before = Answered::of(registry).await?;
    let taken = hub::fetch(registry, case.packages, cache).await?;
    case.hub.push(taken);
    let after = Answered::of(registry).await?;
    let manifests = after.manifests - before.manifests;
    ensure!(manifests == PACKAGES as usize, "{manifests} manifests");
    let expected = if case.cold { case.packages.layers() } else { 0 };
    let layers = after.layers - before.layers;
    ensure!(layers == expected, "{layers} layers, not {expected}");
    case.requests = u32::try_from(after.requests - before.requests)?;
    Ok(())
}

/// How many requests a registry has answered: all, and the downloads among them.
struct Answered {
    requests: usize,
    manifests: usize,
    layers: usize,
}

impl Answered {
    async fn of(registry: &Registry) -> Result<Self> {
        Ok(Self {
            requests: registry.requests().await?.len(),
            manifests: registry.count("GET", "/manifests/").await?,
            layers: registry.count("GET", "/blobs/").await?,
        })
    }
}

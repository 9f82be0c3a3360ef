//! The hub's sources, in a process of their own.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_hub::source::{
    Allowed, Cache, CacheConfig, SourceConfig, Sources, Wanted, locate,
};
use flyte_registration_tests::{command, paths::run_dir, peers::Registry};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::store::{Packages, SIZE};

/// As many resources as fetch from one source (a quarter of `work.concurrency`).
const AT_WORK: usize = 64;

/// What it took.
pub struct Taken {
    /// From the first request to the last package on disk.
    pub time: Duration,
    /// The most resident memory of the process, in bytes.
    pub peak: u64,
}

/// Fetches all of them into `cache` as a hub that was just started.
pub async fn fetch(registry: &Registry, packages: Packages, cache: &Path) -> Result<Taken> {
    let dir = run_dir("bench-task")?;
    let (user, password) = registry.user().context("a registry without a password")?;
    let password_file = dir.join("password");
    fs::write(&password_file, password)?;
    let uris: Vec<String> = packages
        .uris()
        .map(|uri| format!("oci://{}/{uri}", registry.host()))
        .collect();
    let task = json!({
        "source": {
            "kind": "oci", "registry": registry.host(), "caFile": registry.authority(),
            "username": user, "passwordFile": password_file,
        },
        "uris": uris,
        "cache": cache,
    });
    let file = dir.join("task.json");
    fs::write(&file, task.to_string())?;
    let args = ["--task".as_ref(), file.as_os_str()];
    let said = command::run(&env::current_exe()?, args, &[], "").await?;
    let said: Value = serde_json::from_str(&said.success()?)?;
    let number = |key: &str| said[key].as_u64().with_context(|| format!("no {key}"));
    Ok(Taken {
        time: Duration::from_micros(number("microseconds")?),
        peak: number("peak")?,
    })
}

/// What the process of its own does.
pub async fn carry_out(task: &Path) -> Result<Value> {
    // The first of the process; whatever speaks TLS finds it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut task: Value = serde_json::from_slice(&fs::read(task)?)?;
    let configs: BTreeMap<String, SourceConfig> =
        serde_json::from_value(json!({"main": task["source"].take()}))?;
    let uris: Vec<String> = serde_json::from_value(task["uris"].take())?;
    let dir: PathBuf = serde_json::from_value(task["cache"].take())?;
    let cache = Cache::open(&CacheConfig {
        dir,
        ..CacheConfig::default()
    })?;
    let sources = Sources::new(&configs, cache)?;
    let names = ["main".to_owned()];
    let one = async |uri: &String| {
        let wanted = Wanted {
            uri,
            version: "v1",
            digest: None,
        };
        let allowed = Allowed {
            default_source: None,
            sources: &names,
            signatures: None,
        };
        let fetched = sources.fetch(&locate(wanted, allowed, &configs)?).await?;
        ensure!(fetched.blob.size() == SIZE as u64, "{:?}", fetched.package);
        Ok::<_, anyhow::Error>(())
    };
    let began = Instant::now();
    stream::iter(uris.iter().map(one))
        .buffer_unordered(AT_WORK)
        .try_collect::<()>()
        .await?;
    let microseconds = u64::try_from(began.elapsed().as_micros())?;
    Ok(json!({"microseconds": microseconds, "peak": peak()?}))
}

/// The most resident memory that this process has had, in bytes.
fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .context("no VmHWM")?
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    Ok(kib * 1024)
}

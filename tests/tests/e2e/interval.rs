//! Resources that are looked at again: the shortest interval is a minute, so all wait for the same one.

use std::{fs::File, io::copy, path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use flyte_registration_tests::{
    World, block_on,
    package::{package_source, sample_package},
    system::ready,
    wait_until,
};
use serde_json::{Value, json};

use crate::support::{SOON, emulator, push_sample, spec, system_with, version};

/// The interval, and time for what follows.
const AFTER_INTERVAL: Duration = Duration::from_mins(2);

fn task(output: &str) -> String {
    format!(
        "from flytekit import task\n\n\n@task\ndef extract(day: str) -> {output}:\n    return {output}(day)\n"
    )
}

/// The same files in another archive, and so of another digest.
async fn compressed_otherwise() -> Result<PathBuf> {
    let original = sample_package().await?;
    let other = original.with_file_name("compressed-otherwise.tgz");
    let mut writer = GzEncoder::new(File::create(&other)?, Compression::fast());
    copy(&mut GzDecoder::new(File::open(original)?), &mut writer)?;
    writer.finish()?;
    Ok(other)
}

fn each_minute(uri: &str, version: &str) -> Value {
    let mut spec = spec(uri, version);
    spec["interval"] = json!("1m");
    spec
}

#[test]
fn interval_finds_moved_tags_and_superseded_launch_plans() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("interval").await?;
        let hub = json!({"tenants": {"warehouse": {"activateLaunchPlans": true}}});
        let system = system_with("interval", world, &flyteadmin, hub).await?;
        let host = system.setup.registry.host();

        let conflicting = package_source("conflicting", &task("str")).await?;
        system
            .push(&conflicting, "interval/conflicting", "v1")
            .await?;
        let conflicting = each_minute(&format!("oci://{host}/interval/conflicting:v1"), &version());
        system
            .apply(0, "conflicting", &conflicting)
            .await?
            .success()?;

        system
            .push(&sample_package().await?, "interval/same", "v1")
            .await?;
        let same = each_minute(&format!("oci://{host}/interval/same:v1"), &version());
        system.apply(0, "same", &same).await?.success()?;

        let uri = push_sample(&system).await?;
        let (first, second) = (version(), version());
        let mut older = each_minute(&uri, &first);
        older["launchPlans"] = json!({"activate": "Scheduled"});
        system.apply(0, "older", &older).await?.success()?;

        let mut before = Vec::new();
        for name in ["conflicting", "same", "older"] {
            before.push(system.reason(0, name, "Registered", SOON).await?);
        }
        let mut newer = spec(&uri, &second);
        newer["launchPlans"] = json!({"activate": "Scheduled"});
        system.apply(0, "newer", &newer).await?.success()?;
        system.reason(0, "newer", "Registered", SOON).await?;
        let moved = package_source("conflicting", &task("int")).await?;
        system.push(&moved, "interval/conflicting", "v1").await?;
        let other = compressed_otherwise().await?;
        let digest = system.push(&other, "interval/same", "v1").await?;

        let conflict = system
            .reason(0, "conflicting", "VersionConflict", AFTER_INTERVAL)
            .await?;
        let message = ready(&conflict)["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("task conflicting.extract: interface.outputs"),
            "{message}"
        );
        wait_until(AFTER_INTERVAL, "the moved tag is recorded", || async {
            let same = system.get(0, "same").await?;
            ensure!(same["status"]["package"]["digest"] == digest, "{same}");
            assert_eq!(ready(&same)["reason"], "Registered");
            assert_ne!(same["status"]["receipt"], before[1]["status"]["receipt"]);
            Ok(())
        })
        .await?;
        wait_until(
            AFTER_INTERVAL,
            "the launch plan shows as superseded",
            || async {
                let older = system.get(0, "older").await?;
                let superseded = json!(format!("version {second} is active now"));
                let entities = older["status"]["entities"].as_array();
                let found = entities.into_iter().flatten().any(|entity| {
                    entity["action"] == "Superseded" && entity["message"] == superseded
                });
                ensure!(found, "{older}");
                assert_eq!(ready(&older)["reason"], "Registered");
                Ok(())
            },
        )
        .await
    })
}

//! What packages may have in them.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{World, block_on, package::IMAGE, system::ready, wait_until};
use serde_json::{Value, json};

use crate::support::{SOON, calls, emulator, push_sample, spec, system_with, version};

#[test]
fn tenancy_denies_images_before_and_after_registration() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("tenancy").await?;
        let images = |image: &str| json!({"tenants": {"warehouse": {"images": [image]}}});
        let nobody_s = images("ghcr.io/acme/other:*");
        let system = system_with("tenancy", world, &flyteadmin, nobody_s.clone()).await?;
        let uri = push_sample(&system).await?;
        let becomes = |reason: &'static str| {
            let system = &system;
            wait_until(SOON, reason, move || async move {
                let resource = system.get(0, "etl").await?;
                ensure!(ready(&resource)["reason"] == reason, "{resource}");
                Ok(resource)
            })
        };
        let denied = |resource: &Value| -> Result<()> {
            let message = ready(resource)["message"].as_str().context("no message")?;
            let named = message.contains(IMAGE) && message.contains("template.container.image");
            ensure!(named && !message.contains("warehouse"), "{message}");
            Ok(())
        };
        let wanted = spec(&uri, &version());
        system.apply(0, "etl", &wanted).await?.success()?;
        denied(&becomes("Denied").await?)?;
        ensure!(calls(&flyteadmin, None).await? == 0, "nothing was sent");
        // What is on record goes to standard output, in the order in which it happened.
        wait_until(SOON, "that it was denied is told", || async {
            let log = fs::read_to_string(system.hub.log_path())?;
            let told = |word: &str| log.contains(&format!("backend.flyte.registration.{word}.v1"));
            assert!(!told("started"), "that began nothing");
            ensure!(told("denied"));
            Ok(())
        })
        .await?;

        system.reconfigure_hub(&images("ghcr.io/acme/etl:*"))?;
        becomes("Registered").await?;

        // Ready or not: what was registered stays, and says so no longer.
        let created = calls(&flyteadmin, Some("CreateTask")).await?;
        ensure!(created > 0);
        let before = calls(&flyteadmin, None).await?;
        system.reconfigure_hub(&nobody_s)?;
        denied(&becomes("Denied").await?)?;
        ensure!(calls(&flyteadmin, None).await? == before);

        // And is found unchanged once it may be there again.
        system.reconfigure_hub(&images("*"))?;
        becomes("Registered").await?;
        ensure!(calls(&flyteadmin, Some("CreateTask")).await? == created);
        Ok(())
    })
}

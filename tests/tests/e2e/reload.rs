//! Changes of the hub's configuration while it runs.

use std::fs;

use anyhow::{Result, ensure};
use flyte_registration_tests::{World, block_on, system::ready, wait_until};
use serde_json::{Value, json};

use crate::support::{
    PROJECT, SOON, calls, emulator, hub_metric, push_sample, repeated_creates, spec, system_with,
    version,
};

#[test]
fn reload_of_the_configuration_allows_denies_and_refuses_what_is_broken() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("reload").await?;
        let tenant = |projects: &[&str]| json!({"tenants": {"warehouse": {"projects": projects}}});
        let system = system_with("reload", world, &flyteadmin, tenant(&["later"])).await?;
        let uri = push_sample(&system).await?;
        let becomes = |name: &'static str, reason: &'static str| {
            let system = &system;
            wait_until(SOON, reason, move || async move {
                let resource = system.get(0, name).await?;
                ensure!(ready(&resource)["reason"] == reason, "{resource}");
                Ok(resource)
            })
        };
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        becomes("etl", "Denied").await?;

        // Allowed: without a change of the resource.
        let file = fs::read_to_string(system.hub_file())?;
        system.reconfigure_hub(&tenant(&["later", PROJECT]))?;
        becomes("etl", "Registered").await?;
        ensure!(
            system
                .hub_metrics()
                .await?
                .contains("config_reloads_total{result=\"applied\"} 1")
        );

        // Two tenants that may allow the same: taken over, logged and counted.
        hub_metric(&system, "config_warnings", 0).await?;
        let config: Value = serde_json::from_str(&file)?;
        let mut one = config["tenants"]["warehouse"].clone();
        one["projects"] = json!(["elsewhere"]);
        system.reconfigure_hub(&json!({"tenants": {"one": one, "other": one}}))?;
        hub_metric(&system, "config_warnings", 1).await?;
        let log = fs::read_to_string(system.hub.log_path())?;
        ensure!(log.contains("may allow the same registration"));

        // Broken: as it was, and told.
        system.write_hub_config(&file[..file.len() / 2])?;
        wait_until(SOON, "the reload to be refused", || async {
            let metrics = system.hub_metrics().await?;
            ensure!(
                metrics.contains("config_last_reload_successful 0"),
                "{metrics}"
            );
            Ok(())
        })
        .await?;
        system
            .apply(0, "other", &spec(&uri, &version()))
            .await?
            .success()?;
        becomes("other", "Registered").await?;

        // Denied: Ready or not, and FlyteAdmin is not asked to undo anything.
        let before = calls(&flyteadmin, None).await?;
        system.write_hub_config(&file)?;
        for name in ["etl", "other"] {
            becomes(name, "Denied").await?;
        }
        ensure!(calls(&flyteadmin, None).await? == before);
        ensure!(
            system
                .hub_metrics()
                .await?
                .contains("config_last_reload_successful 1")
        );

        // Allowed again: what was done is not done twice.
        system.reconfigure_hub(&tenant(&[PROJECT]))?;
        becomes("etl", "Registered").await?;
        ensure!(repeated_creates(&flyteadmin).await?.is_empty());
        Ok(())
    })
}

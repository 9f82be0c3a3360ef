//! Launch plans that are activated.

use anyhow::{Result, ensure};
use flyte_registration_tests::{World, block_on, peers::FlyteAdmin, system::CLUSTERS, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    SOON, calls, emulator, faults, hub_metric, push_sample, resources, spec, system_with, version,
};

/// Versions of the scheduled launch plan that were ever active, and whether they would run.
async fn schedules(flyteadmin: &FlyteAdmin) -> Result<Vec<(String, bool)>> {
    let rows = flyteadmin.control(Method::GET, "schedules", None).await?;
    let rows = rows.as_array().cloned().unwrap_or_default();
    let mut rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let version = row["version"].as_str().unwrap_or_default();
            (version.to_owned(), row["active"] == true)
        })
        .collect();
    rows.sort();
    Ok(rows)
}

#[test]
fn a_schedule_follows_the_version_and_a_restarted_hub_leaves_it_alone() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("activate").await?;
        let tenant = json!({"activateLaunchPlans": true, "serviceAccounts": ["etl-*"]});
        let hub = json!({"tenants": {"warehouse": tenant}});
        let system = system_with("activate", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;
        let wanted = |version: &str| {
            let mut spec = spec(&uri, version);
            spec["launchPlans"] = json!({"activate": "Scheduled"});
            spec["serviceAccount"] = json!("etl-runner");
            spec
        };
        let (first, second) = (version(), version());

        system.apply(0, "etl", &wanted(&first)).await?.success()?;
        let registered = system.reason(0, "etl", "Registered", SOON).await?;
        assert_eq!(registered["status"]["counts"]["activated"], 1);
        assert_eq!(schedules(&flyteadmin).await?, [(first.clone(), true)]);

        system.apply(0, "etl", &wanted(&second)).await?.success()?;
        let swapped = system.reason(0, "etl", "Registered", SOON).await?;
        let activated: Vec<&Value> = swapped["status"]["entities"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|entity| entity["action"] == "Activated")
            .collect();
        assert_eq!(activated.len(), 1);
        assert_eq!(
            activated[0]["message"],
            json!(format!("version {first} was active before"))
        );
        let swapped_rows = [(first.clone(), false), (second.clone(), true)];
        assert_eq!(schedules(&flyteadmin).await?, swapped_rows);

        let before = calls(&flyteadmin, None).await?;
        system.restart_hub().await?;
        hub_metric(&system, &resources(CLUSTERS[0], "Registered"), 1).await?;
        // Denied by the new process once it has seen everything that was there before.
        let mut denied = wanted(&second);
        denied["iamRole"] = json!("admin");
        system.apply(0, "denied", &denied).await?.success()?;
        system.reason(0, "denied", "Denied", SOON).await?;
        assert_eq!(calls(&flyteadmin, None).await?, before);
        assert_eq!(schedules(&flyteadmin).await?, swapped_rows);
        let same = system.get(0, "etl").await?;
        assert_eq!(same["status"], swapped["status"]);

        // Back to the first version, which this FlyteAdmin has registered already.
        system.apply(0, "etl", &wanted(&first)).await?.success()?;
        system.reason(0, "etl", "Registered", SOON).await?;
        assert_eq!(
            schedules(&flyteadmin).await?,
            [(first, true), (second, false)]
        );
        Ok(())
    })
}

#[test]
fn a_hub_that_is_told_to_stop_ends_the_activation_that_it_has_begun() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("stopping").await?;
        // It is waiting for the only slot when it is told to stop.
        let hub = json!({
            "tenants": {"warehouse": {"activateLaunchPlans": true}},
            "work": {"concurrency": 1},
        });
        let system = system_with("stopping", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;
        let wanted = |version: &str| {
            let mut spec = spec(&uri, version);
            spec["launchPlans"] = json!({"activate": "Scheduled"});
            spec
        };
        let (first, second) = (version(), version());
        system.apply(0, "etl", &wanted(&first)).await?.success()?;
        system.reason(0, "etl", "Registered", SOON).await?;
        let before = calls(&flyteadmin, Some("UpdateLaunchPlan")).await?;

        // Longer than all else may take to end.
        let slow = json!([{"rpc": "UpdateLaunchPlan", "action": {"delayMs": 8000}, "count": 1}]);
        faults(&flyteadmin, &slow).await?;
        system.apply(0, "etl", &wanted(&second)).await?.success()?;
        wait_until(SOON, "the activation has begun", || async {
            let calls = calls(&flyteadmin, Some("UpdateLaunchPlan")).await?;
            ensure!(calls > before, "{calls} calls");
            Ok(())
        })
        .await?;
        let status = system.hub.terminate(SOON).await?;
        assert!(status.success(), "{status}");
        assert_eq!(
            schedules(&flyteadmin).await?,
            [(first, false), (second, true)]
        );
        Ok(())
    })
}

#[test]
fn deletion_stops_no_schedule_of_another() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("deletion").await?;
        let hub = json!({"tenants": {"warehouse": {"activateLaunchPlans": true}}});
        let system = system_with("deletion", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;
        let version = version();
        let mut wanted = spec(&uri, &version);
        wanted["launchPlans"] = json!({"activate": "Scheduled"});
        system.apply(0, "etl", &wanted).await?.success()?;
        let registered = system.reason(0, "etl", "Registered", SOON).await?;
        let running = [(version.clone(), true)];
        assert_eq!(schedules(&flyteadmin).await?, running);
        let before = calls(&flyteadmin, None).await?;

        // It asks for the same to be stopped when it goes, and shows the status of who began it.
        wanted["deletionPolicy"] = json!("Deactivate");
        system.apply(0, "thief", &wanted).await?.success()?;
        let thief = system.get(0, "thief").await?;
        let mut status = registered["status"].clone();
        status["observedGeneration"] = thief["metadata"]["generation"].clone();
        let finalizers = json!({"metadata": {"finalizers": ["flyte.backend/registration"]}});
        let status = json!({"status": status});
        for (patch, more) in [(finalizers, None), (status, Some("--subresource=status"))] {
            let patch = patch.to_string();
            let args = [
                "patch",
                "flyreg",
                "thief",
                "--type=merge",
                "--patch",
                &patch,
            ];
            let args: Vec<&str> = args.into_iter().chain(more).collect();
            system.kubectl(0, &args).await?.success()?;
        }
        for name in ["thief", "etl"] {
            let delete = ["delete", "flyreg", name, "--timeout=60s"];
            system.kubectl(0, &delete).await?.success()?;
        }
        // Told by a hub that has seen both go.
        let mut denied = spec(&uri, "v1");
        denied["workflowProject"] = json!("not-ours");
        system.apply(0, "denied", &denied).await?.success()?;
        system.reason(0, "denied", "Denied", SOON).await?;
        assert_eq!(schedules(&flyteadmin).await?, running);
        assert_eq!(calls(&flyteadmin, None).await?, before);
        Ok(())
    })
}

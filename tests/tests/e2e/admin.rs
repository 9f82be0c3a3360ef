//! What FlyteAdmin asks of the hub: a project, and a token.

use std::fs;

use anyhow::{Result, ensure};
use flyte_registration_tests::{
    World, block_on,
    paths::run_dir,
    peers::FlyteAdmin,
    system::{ready, shows},
    wait_until,
};
use serde_json::json;

use crate::support::{
    PROJECT, SOON, calls, emulator, push_sample, spec, system, system_with, version,
};

#[test]
fn a_missing_project_is_created_where_the_tenant_may() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("project").await?;
        let hub = json!({"tenants": {"warehouse": {"createProjects": true}}});
        let may = system_with("project", world, &flyteadmin, hub).await?;
        let may_not = system("no-project", world, &flyteadmin).await?;
        let uri = push_sample(&may_not).await?;
        let mut later = spec(&uri, &version());
        // Allowed to both tenants, and not there yet.
        later["workflowProject"] = json!("later");
        may_not.apply(0, "etl", &later).await?.success()?;
        may_not.reason(0, "etl", "ProjectNotFound", SOON).await?;
        assert_eq!(calls(&flyteadmin, Some("RegisterProject")).await?, 0);

        later["workflowPackageUri"] = json!(push_sample(&may).await?);
        may.apply(0, "etl", &later).await?.success()?;
        may.reason(0, "etl", "Registered", SOON).await?;
        assert_eq!(calls(&flyteadmin, Some("RegisterProject")).await?, 1);
        // It is there for all now, and the other one looks again by itself.
        may_not.reason(0, "etl", "Registered", SOON).await?;
        assert_eq!(calls(&flyteadmin, Some("RegisterProject")).await?, 1);
        Ok(())
    })
}

const WRONG: &str = "wrong-secret-6b1f";
const FIRST: &str = "first-secret-90ae";
const SECOND: &str = "second-secret-c27d";

/// The secret is wrong, put right, and then rotated together with the client's id, all while
/// the hub runs. Tokens last long enough for one use only.
#[test]
fn tokens_follow_the_files_and_no_secret_is_ever_shown() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let clients = [
            format!("hub-one:{FIRST}:all,offline"),
            format!("hub-two:{SECOND}:all,offline"),
        ];
        let args = [
            "--auth",
            "--token-seconds=2",
            "--client",
            &clients[0],
            "--client",
            &clients[1],
        ];
        let flyteadmin = FlyteAdmin::emulator("token-flyteadmin", &[PROJECT], &args).await?;
        let dir = run_dir("token-files")?;
        let write = |name: &str, text: &str| fs::write(dir.join(name), format!("{text}\n"));
        write("id", "hub-one")?;
        write("secret", WRONG)?;
        let auth = json!({
            "clientIdFile": dir.join("id"),
            "clientSecretFile": dir.join("secret"),
        });
        let hub = json!({
            "flyteAdmins": {"main": {"auth": auth}},
            "work": {"retryInitial": "200ms", "retryMax": "1s"},
            "log": {"level": "trace"},
        });
        let system = system_with("token", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;

        let first = spec(&uri, &version());
        system.apply(0, "etl", &first).await?.success()?;
        let what = "the status says that the client is refused";
        let refused = wait_until(SOON, what, || async {
            let resource = system.get(0, "etl").await?;
            let message = ready(&resource)["message"].as_str().unwrap_or_default();
            ensure!(
                shows(&resource, "FlyteUnavailable") && message.contains("clientSecretFile"),
                "{:#}",
                resource["status"]
            );
            anyhow::Ok(resource)
        })
        .await?;

        write("secret", FIRST)?;
        system.reason(0, "etl", "Registered", SOON).await?;

        write("id", "hub-two")?;
        write("secret", SECOND)?;
        let second = spec(&uri, &version());
        system.apply(0, "etl", &second).await?.success()?;
        let registered = system.reason(0, "etl", "Registered", SOON).await?;

        let metrics = system.hub_metrics().await?;
        let log = system.hub.log();
        ensure!(
            log.contains("got a token"),
            "the log has no trace of tokens"
        );
        for secret in [WRONG, FIRST, SECOND, "Bearer "] {
            let shown = [
                &refused.to_string(),
                &registered.to_string(),
                &metrics,
                &log,
            ]
            .iter()
            .any(|text| text.contains(secret));
            ensure!(!shown, "{secret} is shown");
        }
        Ok(())
    })
}

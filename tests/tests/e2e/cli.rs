//! The engine on the command line, by the shipped binary.

use std::{fs, path::Path};

use anyhow::Result;
use flyte_registration_tests::{
    World, block_on,
    command::{self, Output},
    package::sample_package,
    paths::{run_dir, workspace_binary},
    peers::{Registry, RegistryOptions},
    system::push,
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::support::{PROJECT, calls, emulator, version};

/// What `register --output json` prints, as far as the tests look at it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    dry_run: bool,
    flyte_admin: String,
    version: String,
    package: Option<Package>,
    counts: Counts,
    entities: Vec<Entity>,
    failure: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Package {
    uri: String,
    digest: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Counts {
    created: u32,
    unchanged: u32,
    activated: u32,
    failed: u32,
}

#[derive(Debug, Deserialize)]
struct Entity {
    name: String,
    action: String,
}

#[derive(Debug, Deserialize)]
struct Failure {
    reason: String,
}

impl Outcome {
    fn of(output: &Output, code: i32) -> Result<Self> {
        assert_eq!(output.code, Some(code), "{output:?}");
        Ok(serde_json::from_str(&output.stdout)?)
    }
}

/// `register` with JSON as its output.
async fn register(
    package: &str,
    version: &str,
    more: &[&str],
    env: &[(&str, &str)],
) -> Result<Output> {
    let hub = workspace_binary("flyte-registration-hub")?;
    let mut args = vec!["register", package, "--project", PROJECT];
    args.extend(["--domain", "development", "--version", version]);
    args.extend(["--output", "json"]);
    args.extend(more);
    command::run(&hub, args, env, "").await
}

/// A configuration with the registry's credentials and the `FlyteAdmin`, and nothing else.
fn configure(dir: &Path, registry: &Registry, flyteadmin: &str) -> Result<String> {
    let mut source = json!({"kind": "oci", "registry": registry.host()});
    if let Some((user, password)) = registry.user() {
        fs::write(dir.join("password"), password)?;
        source["username"] = user.into();
        source["passwordFile"] = json!(dir.join("password"));
    }
    source["caFile"] = json!(registry.authority());
    let config = json!({
        "sources": {"registry": source},
        "flyteAdmins": {"main": {"endpoint": flyteadmin, "insecure": true}},
    });
    let file = dir.join("hub.yaml");
    fs::write(&file, config.to_string())?;
    Ok(file.display().to_string())
}

#[test]
fn register_from_a_file_and_from_oci_with_dry_runs_before_and_after() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("cli").await?;
        let dir = run_dir("cli")?;
        let config = configure(&dir, &world.registry, flyteadmin.endpoint())?;
        let sample = sample_package().await?;
        let digest = push(&world.registry, &dir, &sample, "cli/etl", "v1").await?;
        let uri = format!("oci://{}/cli/etl:v1", world.registry.host());
        let file = sample.display().to_string();
        let (by_config, wanted) = (["--config", &config], version());

        let dry = [&by_config[..], &["--dry-run"]].concat();
        let before = Outcome::of(&register(&file, &wanted, &dry, &[]).await?, 0)?;
        assert!(before.dry_run);
        assert!(before.entities.iter().all(|one| one.action == "Created"));
        assert_eq!(calls(&flyteadmin, Some("CreateTask")).await?, 0);

        let done = Outcome::of(&register(&file, &wanted, &by_config, &[]).await?, 0)?;
        let created = |created, unchanged, activated| Counts {
            created,
            unchanged,
            activated,
            failed: 0,
        };
        assert_eq!((done.dry_run, done.counts), (false, created(10, 0, 0)));
        assert_eq!(
            (done.flyte_admin, done.version),
            ("main".into(), wanted.clone())
        );

        let activate = [&by_config[..], &["--activate", "scheduled"]].concat();
        let dry = [&activate[..], &["--dry-run"]].concat();
        let after = Outcome::of(&register(&uri, &wanted, &dry, &[]).await?, 0)?;
        assert_eq!(after.counts, created(0, 10, 1));
        assert_eq!(calls(&flyteadmin, Some("UpdateLaunchPlan")).await?, 0);

        let done = Outcome::of(&register(&uri, &wanted, &activate, &[]).await?, 0)?;
        assert_eq!(done.counts, created(0, 10, 1));
        let mut entities = done.entities.iter();
        let activated = entities.find(|entity| entity.action == "Activated");
        assert_eq!(
            activated.map(|entity| entity.name.as_str()),
            Some("etl.workflows.nightly")
        );
        let package = done.package.map(|package| (package.uri, package.digest));
        assert_eq!(package, Some((uri, digest)));
        let schedules = flyteadmin.control(Method::GET, "schedules", None).await?;
        assert_eq!(schedules[0]["version"], wanted, "{schedules}");
        assert_eq!(schedules[0]["active"], true, "{schedules}");
        Ok(())
    })
}

#[test]
fn register_without_a_configuration_asks_registries_without_credentials() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("cli-open").await?;
        let dir = run_dir("cli-open")?;
        let open = RegistryOptions {
            user: None,
            ..RegistryOptions::default()
        };
        let open = Registry::start("cli-open-registry", open).await?;
        let sample = sample_package().await?;
        let by_address = ["--admin-endpoint", flyteadmin.endpoint(), "--insecure"];
        for (registry, code) in [(&open, 0), (&world.registry, 1)] {
            push(registry, &dir, &sample, "cli-open/etl", "v1").await?;
            let uri = format!("oci://{}/cli-open/etl:v1", registry.host());
            let authority = registry.authority().map(|path| path.display().to_string());
            let authority = authority.unwrap_or_default();
            // There is no other way to have it trusted without a configuration.
            let env = [("SSL_CERT_FILE", authority.as_str())];
            let output = register(&uri, &version(), &by_address, &env).await?;
            let outcome = Outcome::of(&output, code)?;
            let reason = outcome.failure.map(|failure| failure.reason);
            let expected = (code == 1).then(|| "SourceUnauthorized".to_owned());
            assert_eq!(reason, expected, "{output:?}");
        }
        Ok(())
    })
}

#[test]
fn inspect_shows_what_sources_have() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let dir = run_dir("cli-inspect")?;
        let config = configure(&dir, &world.registry, "localhost:1")?;
        let sample = sample_package().await?;
        push(&world.registry, &dir, &sample, "cli-inspect/etl", "v1").await?;
        let untagged = format!("oci://{}/cli-inspect/etl", world.registry.host());
        let hub = workspace_binary("flyte-registration-hub")?;
        let inspect = async |package: &str, more: &[&str]| {
            let args = ["inspect", package, "--output", "json"];
            command::run(&hub, args.iter().chain(more), &[], "").await
        };

        let expected = inspect(&sample.display().to_string(), &[]).await?;
        let expected = expected.success()?;
        assert!(expected.contains("etl.workflows.nightly"), "{expected}");
        let by_config = ["--config", config.as_str()];
        let tagged = inspect(&format!("{untagged}:v1"), &by_config).await?;
        assert_eq!(tagged.success()?, expected);
        let by_version = [&by_config[..], &["--version", "v1"]].concat();
        let found = inspect(&untagged, &by_version).await?;
        assert_eq!(found.success()?, expected);

        let nobody_knows = inspect(&untagged, &by_config).await?;
        assert_eq!(nobody_knows.code, Some(1));
        let told = &nobody_knows.stderr;
        assert!(told.contains("--version"), "{told}");
        let missing = inspect(&format!("{untagged}:v2"), &by_config).await?;
        assert_eq!(missing.code, Some(1));
        let told = &missing.stderr;
        assert!(told.contains("PackageNotFound"), "{told}");
        Ok(())
    })
}

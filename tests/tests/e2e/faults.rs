//! FlyteAdmin and the registry down, slow, refusing: the reasons, and recovery without help.

use std::fs;

use anyhow::{Context as _, Result};
use flyte_registration_proto::flyteidl::{
    admin::{Project, ProjectRegisterRequest},
    service::admin_service_client::AdminServiceClient,
};
use flyte_registration_tests::{
    Setup, System, World, block_on,
    package::sample_package,
    peers::{Registry, RegistryOptions},
    system::{push, ready},
};
use serde_json::{Value, json};

use crate::support::{
    PROJECT, SAMPLE_ENTITIES, SOON, calls, emulator, faults, latency, no_faults, push_sample, spec,
    system, system_with, version,
};

#[test]
fn flyteadmin_away_and_back() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("away").await?;
        let system = system("away", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        flyteadmin.process()?.kill()?;
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        let failed = system.reason(0, "etl", "FlyteUnavailable", SOON).await?;
        assert!(
            failed["status"]["registration"]["nextRetryAt"].is_string(),
            "{failed}"
        );
        assert_eq!(ready(&failed)["status"], "False");
        flyteadmin.start_again().await?;
        system.reason(0, "etl", "Registered", SOON).await?;
        Ok(())
    })
}

#[test]
fn flyteadmin_slow_then_fast() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("slow").await?;
        let hub = json!({"flyteAdmins": {"main": {"callTimeout": "1s"}}});
        let system = system_with("slow", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;
        latency(&flyteadmin, 20_000).await?;
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "etl", "FlyteUnavailable", SOON).await?;
        latency(&flyteadmin, 0).await?;
        system.reason(0, "etl", "Registered", SOON).await?;
        Ok(())
    })
}

#[test]
fn flyteadmin_unavailable_for_some_calls_and_answers_that_get_lost() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("flaky").await?;
        let system = system("flaky", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        let rules = json!([
            {"rpc": "CreateTask", "action": {"fail": {"code": 14, "message": "no healthy upstream"}}, "count": 2},
            {"rpc": "CreateTask", "action": "lostAnswer", "count": 2},
            {"rpc": "CreateWorkflow", "action": "lostAnswer", "count": 1},
            {"rpc": "CreateLaunchPlan", "action": {"fail": {"code": 13, "message": "too many clients"}}, "count": 1},
        ]);
        faults(&flyteadmin, &rules).await?;
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        let resource = system.reason(0, "etl", "Registered", SOON).await?;
        let counts = &resource["status"]["counts"];
        assert_eq!(counts["failed"], 0);
        let there =
            counts["created"].as_u64().unwrap_or(0) + counts["unchanged"].as_u64().unwrap_or(0);
        assert_eq!(there, SAMPLE_ENTITIES, "{counts}");

        faults(
            &flyteadmin,
            &json!([{"action": {"fail": {"code": 14, "message": "down for now"}}}]),
        )
        .await?;
        system
            .apply(1, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        let failed = system.reason(1, "etl", "FlyteUnavailable", SOON).await?;
        let message = ready(&failed)["message"].as_str().unwrap_or_default();
        assert!(message.contains("down for now"), "{message}");
        no_faults(&flyteadmin).await?;
        system.reason(1, "etl", "Registered", SOON).await?;
        Ok(())
    })
}

#[test]
fn a_project_created_later_is_picked_up() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("later").await?;
        let system = system("later", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        let mut wanted = spec(&uri, &version());
        wanted["workflowProject"] = json!("later");
        system.apply(0, "etl", &wanted).await?.success()?;
        system.reason(0, "etl", "ProjectNotFound", SOON).await?;
        assert_eq!(calls(&flyteadmin, Some("CreateTask")).await?, 0);

        let mut admin =
            AdminServiceClient::connect(format!("http://{}", flyteadmin.endpoint())).await?;
        let project = Project {
            id: "later".to_owned(),
            name: "Later".to_owned(),
            ..Project::default()
        };
        admin
            .register_project(ProjectRegisterRequest {
                project: Some(project),
            })
            .await?;
        system.reason(0, "etl", "Registered", SOON).await?;
        Ok(())
    })
}

#[test]
fn a_version_with_other_content_is_a_conflict() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("conflict").await?;
        let system = system("conflict", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        let version = version();
        system
            .apply(0, "etl", &spec(&uri, &version))
            .await?
            .success()?;
        system.reason(0, "etl", "Registered", SOON).await?;
        let source = fs::read_to_string(
            flyte_registration_tests::paths::tests_dir().join("workflows/sample/etl/tasks.py"),
        )?;
        let changed = source.replace("retries=3", "retries=5");
        let package = flyte_registration_tests::package::package_sources(
            "etl",
            &[
                ("etl/__init__.py", String::new()),
                ("etl/tasks.py", changed),
            ],
        )
        .await?;
        system.push(&package, "conflict/etl", "v2").await?;
        let other = spec(&uri.replace(":v1", ":v2"), &version);
        system.apply(0, "other", &other).await?.success()?;
        let stalled = system.reason(0, "other", "VersionConflict", SOON).await?;
        let message = ready(&stalled)["message"].as_str().unwrap_or_default();
        let told = "task etl.tasks.extract: metadata.retries.retries changed";
        assert!(message.contains(told), "{message}");
        let entities = stalled["status"]["entities"].as_array();
        let entity = entities.and_then(|entities| entities.first());
        let message = entity.and_then(|entity| entity["message"].as_str());
        assert_eq!(
            message,
            Some("registered with other content: metadata.retries.retries changed"),
            "{stalled}"
        );
        Ok(())
    })
}

#[test]
fn a_package_pushed_later_is_picked_up() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("pushed").await?;
        let system = system("pushed", world, &flyteadmin).await?;
        system
            .apply(0, "etl", &spec("pushed/etl", "v1"))
            .await?
            .success()?;
        let failed = system.reason(0, "etl", "PackageNotFound", SOON).await?;
        let message = ready(&failed)["message"].as_str().unwrap_or_default();
        assert!(message.contains("pushed/etl:v1"), "{message}");
        push_sample(&system).await?;
        system.reason(0, "etl", "Registered", SOON).await?;
        Ok(())
    })
}

#[test]
fn a_registry_that_refuses_the_password_fails_or_is_away() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("ill").await?;
        let registry = Registry::start("ill-registry", RegistryOptions::default()).await?;
        let setup = Setup {
            name: "ill",
            clusters: &world.clusters,
            registry: &registry,
            flyteadmin: &flyteadmin,
            projects: &[PROJECT],
            hub: Value::Null,
            agent: Value::Null,
        };
        let system = System::start(setup).await?;
        for tag in ["v1", "v2", "v3"] {
            push(
                &registry,
                system.hub.dir(),
                &sample_package().await?,
                "ill/etl",
                tag,
            )
            .await?;
        }

        let password = system.hub.dir().join("registry-password");
        let right = fs::read_to_string(&password)?;
        fs::write(&password, "wrong")?;
        system
            .apply(0, "refused", &spec("ill/etl", "v1"))
            .await?
            .success()?;
        let failed = system
            .reason(0, "refused", "SourceUnauthorized", SOON)
            .await?;
        assert!(
            !failed["status"].to_string().contains("wrong"),
            "the password is told"
        );
        fs::write(&password, right)?;
        system.reason(0, "refused", "Registered", SOON).await?;

        // The registry answers 500 when a folder that it needs is a file.
        let manifests = registry
            .storage()
            .join("docker/registry/v2/repositories/ill/etl/_manifests");
        let aside = manifests.with_extension("aside");
        fs::rename(&manifests, &aside)?;
        fs::write(&manifests, "")?;
        system
            .apply(0, "failing", &spec("ill/etl", "v2"))
            .await?
            .success()?;
        system
            .reason(0, "failing", "SourceUnavailable", SOON)
            .await?;
        fs::remove_file(&manifests)?;
        fs::rename(&aside, &manifests)?;
        system.reason(0, "failing", "Registered", SOON).await?;

        registry.process().kill()?;
        system
            .apply(0, "away", &spec("ill/etl", "v3"))
            .await?
            .success()?;
        system.reason(0, "away", "SourceUnavailable", SOON).await?;
        registry.start_again().await?;
        system.reason(0, "away", "Registered", SOON).await?;

        // The logs are at the level debug.
        let (_, password) = registry.user().context("a user")?;
        for process in system.agents.iter().chain([&system.hub]) {
            let log = process.log();
            for secret in [password, "token-of-"] {
                assert!(!log.contains(secret), "{} logs a secret", process.name());
            }
        }
        Ok(())
    })
}

//! Resources that are edited, deleted and created anew; agents and API servers that go and come.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    Setup, System, World, block_on,
    paths::{free_port, run_dir},
    peers::{ApiServer, FlyteAdmin, agent, hub},
    system::{CLUSTERS, shows},
    tls::client,
    wait_until,
};
use serde_json::{Value, json};

use crate::support::{
    PROJECT, SOON, calls, emulator, hub_metric, latency, push_sample, resources, spec, system,
    version,
};

#[test]
fn an_edited_version_is_registered_and_labels_alone_are_not_work() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("edit").await?;
        let system = system("edit", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "etl", "Registered", SOON).await?;

        let second = version();
        system
            .apply(0, "etl", &spec(&uri, &second))
            .await?
            .success()?;
        let edited = system.reason(0, "etl", "Registered", SOON).await?;
        assert_eq!(edited["metadata"]["generation"], 2);
        assert_eq!(edited["status"]["entities"][0]["version"], json!(second));
        assert_eq!(world.registry.count("GET", "/v2/edit/etl/blobs/").await?, 1);

        let (before, asked) = (
            calls(&flyteadmin, None).await?,
            world.registry.count("GET", "/v2/edit/etl/").await?,
        );
        let status = edited["status"].clone();
        system
            .kubectl(0, &["label", "flyreg", "etl", "team=data"])
            .await?
            .success()?;
        // A later resource that is done shows that the label's event was seen.
        system
            .apply(0, "later", &spec(&uri, "bad version"))
            .await?
            .code
            .context("refused by the API server")?;
        let mut denied = spec(&uri, &version());
        denied["workflowProject"] = json!("finance");
        system.apply(0, "later", &denied).await?.success()?;
        system.reason(0, "later", "Denied", SOON).await?;
        assert_eq!(calls(&flyteadmin, None).await?, before);
        assert_eq!(world.registry.count("GET", "/v2/edit/etl/").await?, asked);
        assert_eq!(system.get(0, "etl").await?["status"], status);
        Ok(())
    })
}

#[test]
fn a_resource_deleted_during_its_registration_is_let_go_and_created_anew_is_another() -> Result<()>
{
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("anew").await?;
        let system = system("anew", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        latency(&flyteadmin, 700).await?;
        let (first, second) = (version(), version());
        system
            .apply(0, "etl", &spec(&uri, &first))
            .await?
            .success()?;
        let old = system.reason(0, "etl", "Registering", SOON).await?;
        system
            .kubectl(0, &["delete", "flyreg", "etl", "--wait=true"])
            .await?
            .success()?;
        system
            .apply(0, "etl", &spec(&uri, &second))
            .await?
            .success()?;
        latency(&flyteadmin, 0).await?;
        let new = system.reason(0, "etl", "Registered", SOON).await?;
        assert_ne!(new["metadata"]["uid"], old["metadata"]["uid"]);
        assert_eq!(new["status"]["entities"][0]["version"], json!(second));

        latency(&flyteadmin, 700).await?;
        system
            .apply(0, "gone", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "gone", "Registering", SOON).await?;
        system
            .kubectl(0, &["delete", "flyreg", "gone", "--wait=true"])
            .await?
            .success()?;
        hub_metric(&system, "jobs_working", 0).await?;
        hub_metric(&system, &resources(CLUSTERS[0], "Registered"), 1).await
    })
}

#[test]
fn a_resource_with_our_finalizer_can_be_deleted_with_and_without_the_hub() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("final").await?;
        let system = system("final", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        for name in ["with", "without"] {
            system
                .apply(0, name, &spec(&uri, &version()))
                .await?
                .success()?;
            system.reason(0, name, "Registered", SOON).await?;
            let patch = r#"{"metadata": {"finalizers": ["flyte.backend/registration"]}}"#;
            system
                .kubectl(
                    0,
                    &["patch", "flyreg", name, "--type=merge", "--patch", patch],
                )
                .await?
                .success()?;
        }
        system
            .kubectl(0, &["delete", "flyreg", "with", "--timeout=60s"])
            .await?
            .success()?;
        system.hub.kill()?;
        system
            .kubectl(0, &["delete", "flyreg", "without", "--timeout=60s"])
            .await?
            .success()?;
        Ok(())
    })
}

#[test]
fn a_namespace_that_the_agent_no_longer_watches_is_forgotten() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("narrow").await?;
        let system = system("narrow", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        let written = system.reason(0, "etl", "Registered", SOON).await?;
        hub_metric(&system, &resources(CLUSTERS[0], "Registered"), 1).await?;

        let agent = &system.agents[0];
        agent.kill()?;
        let file = agent.dir().join("agent.yaml");
        let mut config: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        config["namespaces"] = json!(["system-narrow"]);
        fs::write(&file, config.to_string())?;
        agent.start_again()?;
        system.ready().await?;
        wait_until(SOON, "the hub forgets the namespace", || async {
            let metrics = system.hub_metrics().await?;
            ensure!(
                !metrics.contains(&resources(CLUSTERS[0], "Registered")),
                "{metrics}"
            );
            Ok(())
        })
        .await?;
        assert_eq!(
            system.get(0, "etl").await?["status"],
            written["status"],
            "out of scope is not deleted"
        );
        Ok(())
    })
}

#[test]
fn the_agent_survives_a_restart_of_its_api_server() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = FlyteAdmin::emulator("reborn-flyteadmin", &[PROJECT], &[]).await?;
        let own = [ApiServer::start("reborn-cluster").await?];
        let setup = Setup {
            name: "reborn",
            clusters: &own,
            registry: &world.registry,
            flyteadmin: &flyteadmin,
            projects: &[PROJECT],
            hub: Value::Null,
            // Under the role for all namespaces, which the other tests do not need.
            agent: json!({"namespaces": []}),
        };
        let system = System::start(setup).await?;
        let uri = push_sample(&system).await?;
        system
            .apply(0, "before", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "before", "Registered", SOON).await?;
        own[0].restart().await?;
        system
            .apply(0, "after", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "after", "Registered", SOON).await?;
        assert!(shows(&system.get(0, "before").await?, "Registered"));
        Ok(())
    })
}

#[test]
fn transitions_are_events() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("events").await?;
        let system = system("events", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        let mut denied = spec(&uri, &version());
        denied["workflowProject"] = json!("finance");
        system.apply(0, "other", &denied).await?.success()?;
        system.reason(0, "etl", "Registered", SOON).await?;
        system.reason(0, "other", "Denied", SOON).await?;
        wait_until(SOON, "the events are there", || async {
            let events = system.kubectl(0, &["get", "events"]).await?.success()?;
            let line = |parts: [&str; 3]| {
                events
                    .lines()
                    .any(|line| parts.iter().all(|part| line.contains(part)))
            };
            ensure!(line(["Normal", "Registered", "etl"]), "{events}");
            ensure!(line(["Warning", "Denied", "other"]), "{events}");
            Ok(())
        })
        .await
    })
}

#[test]
fn without_the_hub_waiting_resources_say_so_and_ready_ones_stay() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("alone").await?;
        let system = system("alone", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        let done = system.reason(0, "etl", "Registered", SOON).await?;
        system.hub.kill()?;
        system
            .apply(0, "late", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "late", "HubUnreachable", SOON).await?;
        assert_eq!(system.get(0, "etl").await?["status"], done["status"]);
        system.hub.start_again()?;
        system.reason(0, "late", "Registered", SOON).await?;
        Ok(())
    })
}

#[test]
fn another_agent_takes_over_when_the_leader_is_gone() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("standby").await?;
        let system = system("standby", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        let leader = &system.agents[0];
        let mut config: Value =
            serde_json::from_str(&fs::read_to_string(leader.dir().join("agent.yaml"))?)?;
        let web = format!("127.0.0.1:{}", free_port()?);
        config["lease"]["identity"] = json!("the-other");
        config["web"]["listen"] = json!(web);
        let dir = run_dir("standby-agent")?;
        let other = agent(&dir, &config.to_string(), &[])?;
        let http = client(None)?;
        let ready = format!("http://{web}/readyz");
        other
            .ready(SOON, || async {
                Ok(http
                    .get(&ready)
                    .send()
                    .await?
                    .error_for_status()
                    .map(drop)?)
            })
            .await?;
        system
            .apply(0, "first", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "first", "Registered", SOON).await?;

        leader.kill()?;
        system
            .apply(0, "second", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "second", "Registered", SOON).await?;
        Ok(())
    })
}

#[test]
fn hub_and_agent_stop_when_told_to_and_a_second_hub_may_not_share_the_state() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("stop").await?;
        let system = system("stop", world, &flyteadmin).await?;
        let config = fs::read_to_string(system.hub.dir().join("hub.yaml"))?;
        let second = hub(&run_dir("stop-second-hub")?, &config, &[])?;
        let ended = wait_until(SOON, "the second hub ends", || async {
            second.exited()?.context("it runs")
        });
        ensure!(!ended.await?.success(), "the second hub ended well");
        let log = second.log();
        ensure!(log.contains("another hub holds"), "{log}");

        for process in system.agents.iter().chain([&system.hub]) {
            let status = process.terminate(SOON).await?;
            ensure!(status.success(), "{} ended with {status}", process.name());
        }
        Ok(())
    })
}

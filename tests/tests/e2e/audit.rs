//! What happens is on the record of a webhook, whatever becomes of hub and webhook.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    World, block_on, command,
    paths::{free_port, run_dir, workspace_binary},
    peers::FlyteAdmin,
    system::{CLUSTERS, manifest},
    wait_until,
    webhook::{Fault, Webhook},
};
use rand::RngExt as _;
use serde_json::{Value, json};

use crate::support::{
    SOON, apply_all, emulator, hub_metric, latency, push_sample, spec, system_with, version,
};

const KILLS: usize = 8;
const EACH: usize = 20;

#[test]
fn whatever_a_hub_did_is_on_record_though_it_is_killed_and_the_webhook_fails() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("audit").await?;
        let webhook = Webhook::start(&run_dir("audit-webhook")?).await?;
        webhook.faults(&[
            Fault::None,
            Fault::Status(500),
            Fault::LostAnswer,
            Fault::Slow(Duration::from_millis(200)),
            Fault::Status(429),
        ]);
        let hub = json!({"audit": {"webhook": webhook.config()}});
        let system = system_with("audit", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;
        latency(&flyteadmin, 40).await?;
        apply_all(&system, &uri, EACH).await?;
        for _ in 0..KILLS {
            // Whatever happens first, more work done or a moment passed: the point must be random.
            let pause = rand::rng().random_range(50..900);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            system.restart_hub().await?;
            let done = registered(&flyteadmin).await?;
            // It happened before this hub began: it is on disk, and arrives.
            recorded(&webhook, "started", &done).await?;
        }
        latency(&flyteadmin, 0).await?;
        for cluster in 0..CLUSTERS.len() {
            system.all(cluster, EACH, "Registered", 2 * SOON).await?;
        }
        webhook.faults(&[]);
        let done = registered(&flyteadmin).await?;
        ensure!(done.len() == CLUSTERS.len() * EACH, "{done:?}");
        for word in ["started", "succeeded"] {
            recorded(&webhook, word, &done).await?;
            let told = versions(&webhook, word);
            ensure!(told == done, "{word}: {told:?}, but {done:?} happened");
        }
        hub_metric(&system, "audit_queued_events{sink=\"webhook\"}", 0).await
    })
}

#[test]
fn at_the_bound_nothing_is_registered_until_the_webhook_is_back() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("bound").await?;
        let webhook = Webhook::start(&run_dir("bound-webhook")?).await?;
        webhook.faults(&[Fault::Status(503)]);
        let audit = json!({"maxSize": "64Ki", "webhook": webhook.config()});
        let token = run_dir("bound-api")?.join("token");
        fs::write(&token, "token-of-the-platform-team")?;
        let api = json!({"listen": format!("127.0.0.1:{}", free_port()?), "tokenFile": token});
        let hub = json!({"audit": audit, "api": api});
        let system = system_with("bound", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;
        let mut denied = spec(&uri, &version());
        denied["workflowProject"] = json!("not-ours");
        let namespace = system.setup.tenant_namespace();
        let items: Vec<Value> = (0..150)
            .map(|index| manifest(&namespace, &format!("denied-{index}"), &denied))
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let cluster = &system.setup.clusters[0];
        cluster.apply(&list.to_string()).await?.success()?;
        hub_metric(&system, "audit_available", 0).await?;

        let wanted = spec(&uri, &version());
        system.apply(1, "etl", &wanted).await?.success()?;
        system.reason(1, "etl", "AuditUnavailable", SOON).await?;
        ensure!(
            registered(&flyteadmin).await?.is_empty(),
            "something was registered"
        );

        webhook.faults(&[]);
        system.reason(1, "etl", "Registered", SOON).await?;
        system.all(0, items.len(), "Denied", SOON).await?;
        let told = webhook.events();
        let denials = told.iter().filter(|event| is(event, "registration.denied"));
        let names: BTreeSet<&str> = denials
            .filter_map(|event| event["data"]["actor"]["name"].as_str())
            .collect();
        ensure!(names.len() == items.len(), "{} denials", names.len());
        let denial = told.iter().find(|event| is(event, "registration.denied"));
        let data = &denial.context("no denial")?["data"];
        ensure!(
            data["decision"]["rule"] == "tenants.warehouse.projects",
            "{data}"
        );
        ensure!(
            data["actor"]["lastManager"] == "kubectl-client-side-apply",
            "{data}"
        );

        for kind in ["agent.authenticated", "configuration.changed"] {
            ensure!(told.iter().any(|event| is(event, kind)), "no {kind}");
        }

        let denied = get(&api, &["registrations", "--state", "Denied"]).await?;
        ensure!(denied.len() == items.len(), "{} are denied", denied.len());
        let registered = get(&api, &["registrations", "--state", "registered"]).await?;
        ensure!(
            registered.len() == 1 && registered[0]["counts"]["failed"] == 0,
            "{registered:?}"
        );
        let clusters = get(&api, &["clusters"]).await?;
        let connected = clusters.iter().all(|cluster| cluster["connected"] == true);
        ensure!(
            connected && clusters.len() == CLUSTERS.len(),
            "{clusters:?}"
        );
        let kind = "backend.flyte.registration.succeeded.v1";
        let history = get(&api, &["history", "--cluster", CLUSTERS[1], "--type", kind]).await?;
        let subject = format!("{}/{namespace}/etl", CLUSTERS[1]);
        ensure!(
            history.len() == 1 && history[0]["subject"] == subject,
            "{history:?}"
        );
        Ok(())
    })
}

/// What the hub's own command gets from its API.
async fn get(api: &Value, what: &[&str]) -> Result<Vec<Value>> {
    let server = format!("http://{}", api["listen"].as_str().unwrap_or_default());
    let token = api["tokenFile"].as_str().unwrap_or_default();
    let shown = ["--output=json", "--server", &server, "--token-file", token];
    let args = [&["get"], what, &shown].concat();
    let hub = workspace_binary("flyte-registration-hub")?;
    let said = command::run(&hub, args, &[], "").await?.success()?;
    let list: Value = serde_json::from_str(&said)?;
    Ok(list["items"].as_array().context("no items")?.clone())
}

/// The versions of which FlyteAdmin was sent something.
async fn registered(flyteadmin: &FlyteAdmin) -> Result<BTreeSet<String>> {
    let counters = flyteadmin.counters().await?;
    let by_entity = counters["byEntity"].as_array().context("no counts")?;
    let creates = by_entity.iter().filter(|counted| {
        let rpc = counted["rpc"].as_str().unwrap_or_default();
        rpc.starts_with("Create")
    });
    let versions = creates.filter_map(|counted| counted["version"].as_str());
    Ok(versions.map(str::to_owned).collect())
}

/// Waits until the webhook has an event of this kind for each of these versions.
async fn recorded(webhook: &Webhook, word: &str, all: &BTreeSet<String>) -> Result<()> {
    wait_until(SOON, "all of it is on record", || async {
        let told = versions(webhook, word);
        let missing: Vec<_> = all.difference(&told).collect();
        ensure!(missing.is_empty(), "{word} is missing for {missing:?}");
        Ok(())
    })
    .await
}

fn versions(webhook: &Webhook, word: &str) -> BTreeSet<String> {
    let events = webhook.events();
    let events = events
        .iter()
        .filter(|event| is(event, &format!("registration.{word}")));
    events
        .filter_map(|event| event["data"]["registration"]["version"].as_str())
        .map(str::to_owned)
        .collect()
}

fn is(event: &Value, word: &str) -> bool {
    event["type"] == format!("backend.flyte.{word}.v1")
}

//! A registry or a FlyteAdmin that is dead holds up its own resources, and no others.

use anyhow::{Result, ensure};
use flyte_registration_tests::{
    System, World, block_on,
    peers::Toxiproxy,
    system::{manifest, shows},
    wait_until,
};
use serde_json::{Value, json};

use crate::support::{SOON, emulator, push_sample, spec, system_with};

/// What the hub works on at a time.
const PLACES: usize = 16;
/// More than that.
const DEAD: usize = 40;

#[test]
fn a_dead_registry_delays_no_packages_from_another() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("dead").await?;
        let toxiproxy = Toxiproxy::start("dead-toxiproxy").await?;
        let dead = toxiproxy.proxy("dead", world.registry.host()).await?;
        // Whatever it would send is held back for ever.
        dead.poison("timeout", &json!({"timeout": 0})).await?;
        let hub = json!({
            "sources": {"dead": {
                "kind": "oci", "registry": dead.host(), "caFile": world.registry.authority(),
                "timeout": "10m",
            }},
            "tenants": {"warehouse": {"sources": ["registry", "dead"]}},
            "work": {"concurrency": PLACES},
        });
        let system = system_with("dead", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;
        let stuck = |name: &str, number| {
            let uri = format!("oci://{}/team-{number}/etl:v1", dead.host());
            spec(&uri, name)
        };
        one_is_served_beside_many(&system, &uri, stuck, "Fetching").await
    })
}

#[test]
fn a_dead_flyteadmin_delays_no_registrations_in_another() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("dead-admin").await?;
        let toxiproxy = Toxiproxy::start("dead-admin-toxiproxy").await?;
        let dead = toxiproxy.proxy("dead", flyteadmin.endpoint()).await?;
        dead.poison("timeout", &json!({"timeout": 0})).await?;
        let hub = json!({
            "flyteAdmins": {"dead": {"endpoint": dead.host(), "insecure": true, "callTimeout": "10m"}},
            "tenants": {"stuck": {
                "clusters": ["*"], "namespaces": ["*"], "flyteAdmin": "dead", "projects": ["stuck"],
                "domains": ["development"], "sources": ["registry"], "images": ["*"],
            }},
            "work": {"concurrency": PLACES},
        });
        let system = system_with("dead-admin", world, &flyteadmin, hub).await?;
        let uri = push_sample(&system).await?;
        let stuck = |name: &str, _| {
            let mut spec = spec(&uri, name);
            spec["workflowProject"] = json!("stuck");
            spec
        };
        one_is_served_beside_many(&system, &uri, stuck, "Registering").await
    })
}

/// Applies what is `stuck`, and waits until all the places for it `show` it; then another is registered all the same.
async fn one_is_served_beside_many(
    system: &System<'_>,
    uri: &str,
    stuck: impl Fn(&str, usize) -> Value,
    show: &str,
) -> Result<()> {
    let namespace = system.setup.tenant_namespace();
    let resources = (0..DEAD).map(|number| {
        let name = format!("stuck-{number}");
        manifest(&namespace, &name, &stuck(&name, number))
    });
    let items: Vec<Value> = resources.collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let cluster = &system.setup.clusters[0];
    cluster.apply(&list.to_string()).await?.success()?;
    let waiting = async || {
        let resources = system.list(0).await?;
        let of = |reason| resources.iter().filter(|one| shows(one, reason)).count();
        anyhow::Ok((of(show), of("Queued")))
    };
    wait_until(SOON, "all wait for what is dead", || async {
        let (stuck, queued) = waiting().await?;
        let all = stuck > 0 && stuck + queued == DEAD;
        ensure!(all, "{stuck} are {show}, {queued} are queued");
        anyhow::Ok(())
    })
    .await?;
    let alive = spec(uri, "alive");
    system.apply(0, "alive", &alive).await?.success()?;
    system.reason(0, "alive", "Registered", SOON).await?;
    let (stuck, queued) = waiting().await?;
    ensure!(stuck + queued == DEAD, "some wait no longer");
    Ok(())
}

//! Who may connect, by the binaries that ship: tokens that are renewed, clusters that are revoked, and
//! strangers that take their time.

use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_fixtures::signer::Signer;
use flyte_registration_tests::{
    Setup, System, World, block_on,
    paths::run_dir,
    peers::ApiServer,
    system::{AUDIENCE, CLUSTERS, ready},
    tls::Authority,
    wait_until,
};
use serde_json::{Value, json};

use crate::support::{PROJECT, SOON, emulator, hub_metric, push_sample, spec, system, version};

/// Signs as the API server does, which signs for ten minutes at least.
async fn signer(cluster: &ApiServer) -> Result<Signer> {
    let jwks: Value = serde_json::from_str(&cluster.jwks().await?)?;
    let id = jwks["keys"][0]["kid"].as_str().context("no key id")?;
    Ok(Signer::p256_of(id, cluster.account_key()?.as_bytes()))
}

/// The value of a metric of the hub; 0 where it is not counted yet.
async fn metric(system: &System<'_>, name: &str) -> Result<u64> {
    let metrics = system.hub_metrics().await?;
    let name = format!("flyte_registration_hub_{name} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    Ok(line.map_or(Ok(0), str::parse)?)
}

#[test]
fn sessions_are_renewed_with_their_tokens_without_a_gap() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("renew").await?;
        let system = system("renew", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        let cluster = &system.setup.clusters[0];
        let signer = signer(cluster).await?;
        let agent = &system.agents[0];
        let renew = || -> Result<()> {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
            let token = signer.token(&json!({
                "iss": cluster.issuer(),
                "sub": system.setup.subject(),
                "aud": [AUDIENCE],
                // Late in its life, so that its session is asked to leave in 10 s, and has 10 s to.
                "iat": now - 200,
                "nbf": now - 200,
                "exp": now + 20,
            }));
            let file = agent.dir().join("token");
            fs::write(file.with_extension("new"), token)?;
            Ok(fs::rename(file.with_extension("new"), file)?)
        };
        renew()?;
        system.restart_agent(0)?;
        system.ready().await?;
        let gaps = || {
            Ok::<_, anyhow::Error>(
                fs::read_to_string(agent.log_path())?
                    .matches("connecting anew")
                    .count(),
            )
        };
        let (before, opened) = (gaps()?, metric(&system, "sessions_opened_total").await?);
        // Four tokens later, and each time there is work.
        let mut count = 0;
        while metric(&system, "sessions_opened_total").await? < opened + 4 {
            renew()?;
            let name = format!("etl-{count}");
            count += 1;
            system
                .apply(0, &name, &spec(&uri, &version()))
                .await?
                .success()?;
            system.reason(0, &name, "Registered", SOON).await?;
        }
        ensure!(gaps()? == before, "there was a time without a session");
        Ok(())
    })
}

#[test]
fn a_cluster_is_revoked_and_known_again_without_a_restart() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("revoked").await?;
        let system = system("revoked", world, &flyteadmin).await?;
        hub_metric(&system, "clusters_connected", 2).await?;
        let whole = fs::read_to_string(system.hub_file())?;
        let mut one: Value = serde_json::from_str(&whole)?;
        one["clusters"]
            .as_object_mut()
            .context("no clusters")?
            .remove(CLUSTERS[1]);
        one["tenants"]["warehouse"]["clusters"] = json!([CLUSTERS[0]]);
        system.write_hub_config(&one.to_string())?;
        hub_metric(&system, "clusters_connected", 1).await?;
        let refused = "sessions_refused_total{reason=\"issuer\"}";
        wait_until(SOON, "its token opens nothing more", || async {
            ensure!(metric(&system, refused).await? > 0);
            Ok(())
        })
        .await?;
        system.write_hub_config(&whole)?;
        hub_metric(&system, "clusters_connected", 2).await
    })
}

/// Sooner than the hub looks at its sessions without a reason.
const AT_ONCE: Duration = Duration::from_secs(30);

fn replace(file: &Path, text: &str) -> Result<()> {
    fs::write(file.with_extension("new"), text)?;
    Ok(fs::rename(file.with_extension("new"), file)?)
}

/// The agent's session ends, as what opened it opens nothing more.
async fn is_sent_away(system: &System<'_>) -> Result<()> {
    wait_until(AT_ONCE, "the session ends", || async {
        ensure!(metric(system, "clusters_connected").await? == 0);
        Ok(())
    })
    .await
}

#[test]
fn keys_and_authorities_of_agents_count_as_they_are_now() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("rotate").await?;
        let dir = run_dir("rotate-authority")?;
        let agents = Authority::new("agents CA")?;
        let authorities = agents.write(&dir)?;
        let shown = agents.issue(&dir, "agent", &["agent.east.example"])?;
        let east = json!({"certificate": {"dns": "agent.east.example"}});
        let setup = Setup {
            name: "rotate",
            clusters: &world.clusters[..1],
            registry: &world.registry,
            flyteadmin: &flyteadmin,
            projects: &[PROJECT],
            hub: json!({
                "listen": {"tls": {"clientCaFile": authorities}},
                "clusters": {CLUSTERS[0]: east},
            }),
            agent: json!({"hub": {"certFile": shown.certificate, "keyFile": shown.key}}),
        };
        let system = System::start(setup).await?;
        let uri = push_sample(&system).await?;
        let keys = system.hub.dir().join(format!("{}.jwks", CLUSTERS[0]));
        let own = fs::read_to_string(&keys)?;
        let other = Signer::p256("another");

        // A key beside the one that counts: nothing becomes of those who are connected.
        let opened = metric(&system, "sessions_opened_total").await?;
        let mut both: Value = serde_json::from_str(&own)?;
        both["keys"]
            .as_array_mut()
            .context("no keys")?
            .push(other.jwk());
        replace(&keys, &both.to_string())?;
        wait_until(AT_ONCE, "the hub has looked", || async {
            let log = fs::read_to_string(system.hub.log_path())?;
            ensure!(log.contains("are looked at anew"));
            Ok(())
        })
        .await?;
        let wanted = spec(&uri, &version());
        system.apply(0, "etl", &wanted).await?.success()?;
        system.reason(0, "etl", "Registered", SOON).await?;
        ensure!(metric(&system, "sessions_opened_total").await? == opened);

        // The authority of the agent's certificate is none any more.
        replace(&authorities, &Authority::new("another CA")?.pem())?;
        is_sent_away(&system).await?;
        replace(&authorities, &agents.pem())?;
        hub_metric(&system, "clusters_connected", 1).await?;

        // Its token is by a key that does not count any more. It says so, to tenants too.
        replace(&keys, &other.jwks())?;
        is_sent_away(&system).await?;
        let wanted = spec(&uri, &version());
        system.apply(0, "waits", &wanted).await?.success()?;
        wait_until(SOON, "the tenant is told", || async {
            let resource = system.get(0, "waits").await?;
            let message = ready(&resource)["message"].as_str().unwrap_or_default();
            ensure!(
                message.contains("does not let the cluster's agent in"),
                "{resource}"
            );
            Ok(())
        })
        .await?;
        let web = system.agent_web(0);
        ensure!(reqwest::get(format!("{web}/readyz")).await?.status() == 503);
        let metrics = reqwest::get(format!("{web}/metrics")).await?.text().await?;
        ensure!(
            metrics.contains("flyte_registration_agent_refused 1"),
            "{metrics}"
        );
        replace(&keys, &own)?;
        system.reason(0, "waits", "Registered", 2 * SOON).await?;
        Ok(())
    })
}

#[test]
fn strangers_that_hold_connections_open_do_not_keep_agents_out() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("loris").await?;
        let system = system("loris", world, &flyteadmin).await?;
        let uri = push_sample(&system).await?;
        let config: Value = serde_json::from_str(&fs::read_to_string(system.hub_file())?)?;
        let address = config["listen"]["address"].as_str().context("no address")?;
        // Each says how TLS begins, and then no more.
        let mut strangers = Vec::new();
        for _ in 0..300 {
            let mut stream = TcpStream::connect(address)?;
            stream.set_write_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(&[0x16, 0x03, 0x01])?;
            strangers.push(stream);
        }
        for cluster in 0..CLUSTERS.len() {
            system.restart_agent(cluster)?;
        }
        system.ready().await?;
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "etl", "Registered", SOON).await?;
        wait_until(SOON, "all strangers are shown out", || async {
            let refused = |reason| format!("sessions_refused_total{{reason=\"{reason}\"}}");
            let out = metric(&system, &refused("crowded")).await?
                + metric(&system, &refused("late")).await?;
            ensure!(out >= 300, "{out}");
            Ok(())
        })
        .await?;
        drop(strangers);
        Ok(())
    })
}

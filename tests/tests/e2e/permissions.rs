//! The agent's role: all tests run under it, and here nothing of it turns out to be too much.

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    Setup, System, World, block_on,
    peers::{AccountKey, ApiServer},
    wait_until,
};
use serde_json::{Value, json};

use crate::support::{PROJECT, SOON, emulator, push_sample, spec, version};

const ROLE: &str = "agent-system-permissions";
const NAMESPACES: [&str; 2] = ["data-permissions", "system-permissions"];

/// A rule of one of the chart's roles.
struct Rule {
    kind: &'static str,
    namespace: &'static str,
    name: String,
    resource: &'static str,
}

/// All rules, the roles of tenants' namespaces once, and the verbs that each is to have.
fn rules() -> Vec<(Rule, &'static [&'static str])> {
    let rule = |kind, namespace, name: &str, resource| Rule {
        kind,
        namespace,
        name: name.to_owned(),
        resource,
    };
    let tenant = format!("{ROLE}-tenant");
    let [data, own] = NAMESPACES;
    vec![
        (
            rule("role", data, &tenant, "flyteregistrations"),
            &["get", "list", "watch", "patch"],
        ),
        (
            rule("role", data, &tenant, "flyteregistrations/status"),
            &["patch"],
        ),
        (rule("role", data, &tenant, "events"), &["create", "patch"]),
        (
            rule("clusterrole", own, ROLE, "namespaces"),
            &["get", "list", "watch"],
        ),
        (
            rule("role", own, ROLE, "leases"),
            &["create", "get", "update"],
        ),
    ]
}

async fn kubectl(system: &System<'_>, rule: &Rule, args: &[&str]) -> Result<String> {
    let all = [args, &["--namespace", rule.namespace]].concat();
    system.setup.clusters[0].kubectl(&all).await?.success()
}

/// The role's rules, and a copy of them without `verb` for the rule's resource.
async fn without(system: &System<'_>, rule: &Rule, verb: &str) -> Result<(Value, Value)> {
    let args = ["get", rule.kind, &rule.name, "--output=json"];
    let held: Value = serde_json::from_str(&kubectl(system, rule, &args).await?)?;
    let mut less = held["rules"].clone();
    for one in less.as_array_mut().context("no rules")? {
        let concerned = one["resources"] == json!([rule.resource]);
        if let Some(list) = one["verbs"].as_array_mut().filter(|_| concerned) {
            list.retain(|one| *one != verb);
            // Rules without verbs are none.
            if list.is_empty() {
                list.push("deletecollection".into());
            }
        }
    }
    ensure!(less != held["rules"], "no {verb} of {}", rule.resource);
    Ok((held["rules"].clone(), less))
}

async fn set_rules(system: &System<'_>, rule: &Rule, rules: &Value) -> Result<()> {
    let patch = json!({"rules": rules}).to_string();
    let args = [
        "patch",
        rule.kind,
        &rule.name,
        "--type=merge",
        "--patch",
        &patch,
    ];
    kubectl(system, rule, &args).await?;
    Ok(())
}

/// Gives the agent something to do of each kind.
async fn stir(system: &System<'_>, uri: &str, round: usize) -> Result<()> {
    let mut suspended = spec(uri, "v1");
    suspended["suspend"] = round.is_multiple_of(2).into();
    system.apply(0, "etl", &suspended).await?.success()?;
    let gone = format!("gone-{round}");
    system.apply(0, &gone, &spec(uri, "v1")).await?.success()?;
    let finalizers = r#"{"metadata": {"finalizers": ["flyte.backend/registration"]}}"#;
    let args = [
        "patch",
        "flyreg",
        &gone,
        "--type=merge",
        "--patch",
        finalizers,
    ];
    system.kubectl(0, &args).await?.success()?;
    let args = ["delete", "flyreg", &gone, "--wait=false"];
    system.kubectl(0, &args).await?.success()?;
    Ok(())
}

#[test]
fn permissions_of_the_agent_are_what_its_role_says_and_each_is_needed() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("permissions").await?;
        // Such a server streams no lists: the agent falls back to asking for them.
        let gates = ["--feature-gates=WatchList=false"];
        let clusters =
            [ApiServer::start_with("permissions-cluster", AccountKey::Ecdsa, &gates).await?];
        let setup = Setup {
            name: "permissions",
            clusters: &clusters,
            registry: &world.registry,
            flyteadmin: &flyteadmin,
            projects: &[PROJECT],
            hub: Value::Null,
            agent: Value::Null,
        };
        let system = System::start(setup).await?;
        let uri = push_sample(&system).await?;
        let agent = &system.agents[0];
        let mut round = 0;
        for (rule, verbs) in rules() {
            for &verb in verbs {
                let (all, less) = without(&system, &rule, verb).await?;
                agent.kill()?;
                let args = ["delete", "lease", ROLE, "--ignore-not-found"];
                let own = NAMESPACES[1];
                system.setup.clusters[0]
                    .kubectl(&[&args[..], &["--namespace", own]].concat())
                    .await?
                    .success()?;
                set_rules(&system, &rule, &less).await?;
                let read = agent.log().len();
                agent.start_again()?;
                let refused = format!("cannot {verb} resource \\\"{}\\\"", rule.resource);
                let plain = refused.replace('\\', "");
                wait_until(SOON, &plain, || {
                    round += 1;
                    let (system, uri, refused, plain) = (&system, &uri, &refused, &plain);
                    async move {
                        stir(system, uri, round).await?;
                        let log = agent.log();
                        let new = log.get(read..).unwrap_or_default();
                        ensure!(new.contains(refused) || new.contains(plain), "not refused");
                        Ok(())
                    }
                })
                .await?;
                set_rules(&system, &rule, &all).await?;
            }
        }
        // With all of them it goes on, and mends what was left undone.
        let wanted = version();
        system
            .apply(0, "etl", &spec(&uri, &wanted))
            .await?
            .success()?;
        system.reason(0, "etl", "Registered", SOON).await?;
        wait_until(SOON, "all that was deleted to be gone", || async {
            let left = system.list(0).await?.len();
            ensure!(left == 1, "{left} are left");
            Ok(())
        })
        .await
    })
}

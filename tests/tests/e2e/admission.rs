//! What API servers refuse by themselves, through what the charts ship.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    System, World, block_on,
    command::{self, Output},
    paths::{run_dir, tests_dir, workspace_binary},
    peers::ApiServer,
    system::manifest,
    wait_until,
};
use serde_json::{Value, json};

use crate::support::{SOON, emulator, push_sample, spec, system, version};

const OURS: &str = "flyte.backend/registration";

const PROJECT: &str = "flyte.backend/project";
const DOMAIN: &str = "flyte.backend/domain";

/// A hub's configuration that goes by the same labels as the chart's admission policy.
struct Policy(PathBuf);

impl Policy {
    fn write(dir: &Path) -> Result<Self> {
        let tenant = |projects: &[&str], domains: &[&str], labels: Value, without: &[&str]| {
            let absent = without
                .iter()
                .map(|key| json!({"key": key, "operator": "DoesNotExist"}));
            json!({
                "clusters": ["*"], "namespaces": ["vap-*"], "flyteAdmin": "main",
                "namespaceSelector": {
                    "matchLabels": labels, "matchExpressions": absent.collect::<Vec<_>>(),
                },
                "projects": projects, "domains": domains, "sources": ["main"], "images": ["*"],
            })
        };
        let etl = json!({PROJECT: "etl"});
        let staging = json!({PROJECT: "etl", DOMAIN: "staging"});
        let config = json!({
            "clusters": {"east": {"token": {
                "issuer": "https://east.example",
                "subject": "system:serviceaccount:flyte-system:agent",
            }}},
            "tenants": {
                "both": tenant(&["etl"], &["staging"], staging, &[]),
                "project": tenant(&["etl"], &["*"], etl, &[DOMAIN]),
                "none": tenant(&["*"], &["*"], json!({}), &[PROJECT, DOMAIN]),
            },
            "sources": {"main": {"kind": "oci", "registry": "registry.example"}},
            "flyteAdmins": {"main": {"endpoint": "dns:///flyte.example:443"}},
        });
        let file = dir.join("hub.yaml");
        fs::write(&file, config.to_string())?;
        Ok(Self(file))
    }

    /// What `can-i` answers.
    async fn can_i(
        &self,
        namespace: &str,
        labels: &Value,
        project: &str,
        domain: &str,
    ) -> Result<Value> {
        let config = self.0.to_str().context("path is not UTF-8")?;
        let mut args: Vec<String> = [
            "can-i",
            "--config",
            config,
            "--cluster",
            "east",
            "--namespace",
            namespace,
        ]
        .map(str::to_owned)
        .to_vec();
        for (key, value) in labels.as_object().context("no labels")? {
            let value = value.as_str().context("no text")?;
            args.extend(["--label".to_owned(), format!("{key}={value}")]);
        }
        args.extend(
            ["--project", project, "--domain", domain, "--output", "json"].map(str::to_owned),
        );
        let hub = workspace_binary("flyte-registration-hub")?;
        let said = command::run(&hub, args, &[], "").await?;
        serde_json::from_str(&said.stdout).with_context(|| format!("{said:?}"))
    }
}

async fn namespace(cluster: &ApiServer, name: &str, labels: &Value) -> Result<()> {
    let metadata = json!({"name": name, "labels": labels});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
    cluster.apply(&namespace.to_string()).await?.success()?;
    Ok(())
}

fn refused(output: &Output, why: &str) -> Result<()> {
    ensure!(
        output.code != Some(0) && output.stderr.contains(why),
        "{output:?}"
    );
    Ok(())
}

#[test]
fn vap_refuses_at_apply_what_the_labels_of_the_namespace_do_not_allow() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("vap").await?;
        // The policies come with the agent.
        let system = system("vap", world, &flyteadmin).await?;
        let cluster = &system.setup.clusters[0];
        let hub = Policy::write(&run_dir("vap")?)?;
        let both = json!({PROJECT: "etl", DOMAIN: "staging"});
        let (project, none) = (json!({PROJECT: "etl"}), json!({"team": "etl"}));
        for (name, labels) in [
            ("vap-both", &both),
            ("vap-project", &project),
            ("vap-none", &none),
        ] {
            namespace(cluster, name, labels).await?;
        }
        let apply = |namespace: &'static str, project: &str, domain: &str| {
            let mut spec = spec("flows", "v1");
            spec["workflowProject"] = project.into();
            spec["workflowDomain"] = domain.into();
            let name = format!("{project}-{domain}");
            let manifest = manifest(namespace, &name, &spec).to_string();
            async move { cluster.apply(&manifest).await }
        };
        wait_until(SOON, "the policy to take effect", || async {
            refused(
                &apply("vap-both", "other", "staging").await?,
                "may not register",
            )
        })
        .await?;
        // The hub says the same, in the same words.
        for (namespace, labels, project, domain, allowed) in [
            ("vap-both", &both, "etl", "staging", true),
            ("vap-both", &both, "other", "staging", false),
            ("vap-both", &both, "etl", "production", false),
            ("vap-project", &project, "etl", "production", true),
            ("vap-project", &project, "other", "staging", false),
            ("vap-none", &none, "other", "production", true),
        ] {
            let at_apply = apply(namespace, project, domain).await?;
            let answer = hub.can_i(namespace, labels, project, domain).await?;
            ensure!(answer["allowed"] == allowed, "{answer}");
            if allowed {
                at_apply.success()?;
            } else {
                refused(&at_apply, answer["message"].as_str().context("no message")?)?;
            }
        }

        // What is there can be annotated and deleted under labels that no longer allow it.
        namespace(cluster, "vap-both", &json!({PROJECT: "other"})).await?;
        let there = ["--namespace", "vap-both", "flyreg", "etl-staging"];
        for verb in [&["annotate"][..], &["delete", "--wait=false"]] {
            let mut args = [verb, &there].concat();
            args.extend((verb[0] == "annotate").then_some("a=b"));
            cluster.kubectl(&args).await?.success()?;
        }
        refused(
            &apply("vap-both", "etl", "staging").await?,
            "into project etl",
        )
    })
}

async fn patch(
    system: &System<'_>,
    kubeconfig: &Path,
    more: &[&str],
    patch: &Value,
) -> Result<Output> {
    let (namespace, patch) = (system.setup.tenant_namespace(), patch.to_string());
    let mut args = vec!["--namespace", &namespace, "patch", "flyreg", "etl"];
    args.extend(["--type=merge", "--patch", &patch]);
    args.extend(more);
    command::kubectl(kubeconfig, &args).await
}

#[test]
fn vap_lets_the_agent_change_nothing_of_a_resource_but_our_finalizer() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("vap-agent").await?;
        let system = system("vap-agent", world, &flyteadmin).await?;
        let cluster = &system.setup.clusters[0];
        let uri = push_sample(&system).await?;
        system
            .apply(0, "etl", &spec(&uri, &version()))
            .await?
            .success()?;
        let metadata =
            json!({"finalizers": [OURS, "acme.example/other"], "labels": {"team": "etl"}});
        let ours = cluster.kubeconfig().to_owned();
        patch(&system, &ours, &[], &json!({"metadata": metadata}))
            .await?
            .success()?;

        let account = "agent-system-vap-agent";
        let agent = cluster.kubeconfig_for("system-vap-agent", account).await?;
        let metadata = |key: &str, value: Value| json!({"metadata": {key: value}});
        let spec = json!({"spec": {"workflowVersion": "v9"}});
        wait_until(SOON, "the policy to take effect", || async {
            let output = patch(&system, &agent, &["--dry-run=server"], &spec).await?;
            refused(&output, "the agent may not change the spec")
        })
        .await?;
        let other_metadata = "the agent may not change the metadata";
        let other_finalizers = "the agent may take no other finalizer off";
        for (change, why) in [
            (metadata("labels", json!({"team": "other"})), other_metadata),
            (metadata("annotations", json!({"a": "b"})), other_metadata),
            (
                metadata(
                    "ownerReferences",
                    json!([{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "b"}]),
                ),
                other_metadata,
            ),
            (metadata("finalizers", json!([OURS])), other_finalizers),
            (metadata("finalizers", json!([])), other_finalizers),
            (
                metadata(
                    "finalizers",
                    json!([OURS, "acme.example/other", "acme.example/third"]),
                ),
                other_finalizers,
            ),
        ] {
            refused(&patch(&system, &agent, &[], &change).await?, why)?;
        }
        let others = metadata("finalizers", json!(["acme.example/other"]));
        patch(&system, &agent, &[], &others).await?.success()?;
        let left = system.get(0, "etl").await?;
        ensure!(
            left["metadata"]["finalizers"] == json!(["acme.example/other"]),
            "{left}"
        );
        patch(&system, &ours, &[], &metadata("finalizers", json!(null)))
            .await?
            .success()?;
        Ok(())
    })
}

#[test]
fn view_and_edit_of_tenants_come_without_the_status() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("roles").await?;
        let system = system("roles", world, &flyteadmin).await?;
        let cluster = &system.setup.clusters[0];
        let roles = fs::read_to_string(tests_dir().join("../charts/crds/templates/roles.yaml"))?;
        cluster.apply(&roles).await?.success()?;
        let namespace = system.setup.tenant_namespace();
        for role in ["view", "edit"] {
            // There is no controller here that adds up roles; that it would take ours is asked of
            // the API server, and what ours allow is tried.
            let builtin = cluster
                .kubectl(&["get", "clusterrole", role, "--output=json"])
                .await?;
            let builtin: Value = serde_json::from_str(&builtin.success()?)?;
            let selector = &builtin["aggregationRule"]["clusterRoleSelectors"][0]["matchLabels"];
            let label = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
            ensure!(*selector == json!({&label: "true"}), "{builtin}");
            let selected = cluster
                .kubectl(&[
                    "get",
                    "clusterrole",
                    "--output=name",
                    "--selector",
                    &format!("{label}=true"),
                ])
                .await?
                .success()?;
            let ours = format!("clusterrole.rbac.authorization.k8s.io/flyte-registration-{role}");
            ensure!(selected.lines().any(|line| line == ours), "{selected}");
            let args = ["create", "serviceaccount", role, "--namespace", &namespace];
            cluster.kubectl(&args).await?.success()?;
            let (clusterrole, account) = (
                format!("--clusterrole=flyte-registration-{role}"),
                format!("--serviceaccount={namespace}:{role}"),
            );
            let args = [
                "create",
                "rolebinding",
                role,
                &clusterrole,
                &account,
                "--namespace",
                &namespace,
            ];
            cluster.kubectl(&args).await?.success()?;
        }
        let viewer = cluster.kubeconfig_for(&namespace, "view").await?;
        let editor = cluster.kubeconfig_for(&namespace, "edit").await?;
        let uri = push_sample(&system).await?;
        let etl = manifest(&namespace, "etl", &spec(&uri, &version())).to_string();
        wait_until(SOON, "the bindings to take effect", || async {
            let seen =
                command::kubectl(&viewer, &["get", "flyreg", "--namespace", &namespace]).await?;
            seen.success()?;
            command::apply(&editor, &etl).await?.success()
        })
        .await?;
        refused(
            &command::apply(&viewer, &etl.replace("etl", "two")).await?,
            "cannot create resource",
        )?;
        system.reason(0, "etl", "Registered", SOON).await?;
        let seen = command::kubectl(
            &viewer,
            &["get", "flyreg", "etl", "--namespace", &namespace],
        )
        .await?;
        ensure!(seen.success()?.contains("Registered"));
        let forged = json!({"status": {"observedGeneration": 7}});
        for (kubeconfig, role) in [(&viewer, "view"), (&editor, "edit")] {
            let output = patch(&system, kubeconfig, &["--subresource=status"], &forged).await?;
            refused(&output, "resource \"flyteregistrations/status\"")?;
            let account = format!("--as=system:serviceaccount:{namespace}:{role}");
            let args = [
                "auth",
                "can-i",
                "patch",
                "flyteregistrations",
                "--subresource=status",
            ];
            let may = cluster
                .kubectl(&[&args[..], &[&account, "--namespace", &namespace]].concat())
                .await?;
            ensure!(may.stdout.trim() == "no", "{may:?}");
        }
        Ok(())
    })
}

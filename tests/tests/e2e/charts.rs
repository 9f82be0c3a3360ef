//! What the agent's chart renders, in the eyes of a real API server.

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    World, block_on, command, paths::tests_dir, peers::ApiServer, system::AUDIENCE,
};
use serde_json::Value;

/// The agent's chart with these values: what is in it, by kind.
async fn rendered(cluster: &ApiServer, values: &[&str]) -> Result<Vec<Value>> {
    let chart = tests_dir().join("../charts/agent");
    let chart = chart.to_str().context("path is not UTF-8")?;
    let mut args = vec!["template", "charted", chart, "--namespace", "default"];
    args.extend(values.iter().flat_map(|value| ["--set", value]));
    let text = command::helm(cluster.kubeconfig(), &args).await?;
    let text = text.success()?;
    let documents = text.split("\n---");
    let documents = documents.map(serde_saphyr::from_str);
    Ok(documents.collect::<Result<_, _>>()?)
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> Result<&'a Value> {
    let found = documents.iter().find(|document| document["kind"] == kind);
    found.with_context(|| format!("the chart has no {kind}"))
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    let mut items = list.as_array()?.iter();
    items.find(|item| item["name"] == name)
}

/// The agent's configuration in there.
fn config(documents: &[Value]) -> Result<Value> {
    let text = &of_kind(documents, "ConfigMap")?["data"]["agent.yaml"];
    let text = text.as_str().context("no agent.yaml")?;
    Ok(serde_saphyr::from_str(text)?)
}

#[test]
fn the_token_of_the_chart_is_for_the_hub_and_lies_where_the_agent_looks() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let cluster = &world.clusters[0];
        let cases: [(&[&str], &str, u64); 2] = [
            (&[], AUDIENCE, 3600),
            (
                &[
                    "hub.token.audience=another",
                    "hub.token.expirationSeconds=600",
                ],
                "another",
                600,
            ),
        ];
        for (values, audience, seconds) in cases {
            let documents = rendered(cluster, values).await?;
            let deployment = of_kind(&documents, "Deployment")?;
            // It knows projected tokens, and refuses what the kubelet could not mount.
            command::create_dry_run(cluster.kubeconfig(), &deployment.to_string())
                .await?
                .success()?;
            let pod = &deployment["spec"]["template"]["spec"];
            let volume = named(&pod["volumes"], "token").context("no volume")?;
            let sources = &volume["projected"]["sources"];
            let token = &sources[0]["serviceAccountToken"];
            ensure!(token["audience"] == audience, "{volume}");
            ensure!(token["expirationSeconds"] == seconds, "{volume}");
            let mounts = &pod["containers"][0]["volumeMounts"];
            let mount = named(mounts, "token").context("it is not mounted")?;
            let place = |it: &Value| it.as_str().map(str::to_owned).context("no path");
            let path = format!("{}/{}", place(&mount["mountPath"])?, place(&token["path"])?);
            ensure!(config(&documents)?["hub"]["tokenFile"] == path, "{path}");
        }
        Ok(())
    })
}

#[test]
fn a_chart_with_a_certificate_instead_of_a_token_mounts_no_token() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let cluster = &world.clusters[0];
        let values = ["hub.token.enabled=false", "hub.certificateSecret=agent-tls"];
        let documents = rendered(cluster, &values).await?;
        let deployment = of_kind(&documents, "Deployment")?;
        command::create_dry_run(cluster.kubeconfig(), &deployment.to_string())
            .await?
            .success()?;
        let pod = &deployment["spec"]["template"]["spec"];
        let mounts = &pod["containers"][0]["volumeMounts"];
        ensure!(named(mounts, "token").is_none() && named(&pod["volumes"], "token").is_none());
        let volume = named(&pod["volumes"], "certificate").context("no volume")?;
        ensure!(volume["secret"]["secretName"] == "agent-tls", "{volume}");
        let mount = named(mounts, "certificate").context("it is not mounted")?;
        let dir = mount["mountPath"].as_str().context("no path")?;
        let hub = &config(&documents)?["hub"];
        ensure!(hub["tokenFile"].is_null(), "{hub}");
        ensure!(hub["certFile"] == format!("{dir}/tls.crt"), "{hub}");
        ensure!(hub["keyFile"] == format!("{dir}/tls.key"), "{hub}");
        Ok(())
    })
}

//! The table of good and bad specs against a real API server: the hub's own check reads the same one.

use std::{fs, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    World, block_on,
    paths::tests_dir,
    system::{install_crds, manifest},
};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

const NAMESPACE: &str = "specs";

fn table() -> Result<Value> {
    let text = fs::read_to_string(tests_dir().join("../agent/crd/tests/specs.yaml"))?;
    Ok(serde_saphyr::from_str(&text)?)
}

async fn prepare(world: &World) -> Result<()> {
    let cluster = &world.clusters[0];
    install_crds(cluster).await?;
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    cluster.apply(&namespace.to_string()).await?.success()?;
    Ok(())
}

#[test]
fn the_api_server_takes_good_specs_and_refuses_bad_ones_by_their_field() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        prepare(world).await?;
        let table = table()?;
        let mut answers = JoinSet::new();
        let places = Arc::new(Semaphore::new(4));
        for (good, rows) in [(true, &table["good"]), (false, &table["bad"])] {
            for row in rows.as_array().context("no rows")? {
                let (row, places) = (row.clone(), Arc::clone(&places));
                answers.spawn(async move {
                    let _place = places.acquire_owned().await?;
                    judge(world, good, &row)
                        .await
                        .with_context(|| format!("{}", row["name"]))
                });
            }
        }
        ensure!(
            answers.len() > 40,
            "the table has only {} rows",
            answers.len()
        );
        while let Some(answer) = answers.join_next().await {
            answer??;
        }
        Ok(())
    })
}

async fn judge(world: &World, good: bool, row: &Value) -> Result<()> {
    let manifest = manifest(NAMESPACE, "row", &row["spec"]).to_string();
    let said = flyte_registration_tests::command::create_dry_run(
        world.clusters[0].kubeconfig(),
        &manifest,
    )
    .await?;
    if good {
        said.success()?;
        return Ok(());
    }
    ensure!(said.code != Some(0), "it is accepted");
    let field = row["field"].as_str().context("a bad row without field")?;
    ensure!(
        said.stderr.contains(field),
        "{field} is not named: {}",
        said.stderr
    );
    Ok(())
}

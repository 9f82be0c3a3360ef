//! One of everything that pyflyte packages, in every way that it packages.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Result, ensure};
use flyte_registration_tests::{
    Setup, System, World, block_on,
    package::{features_package, package_source, shared_package},
    peers::{FlyteAdmin, S3},
};
use serde_json::{Value, json};

use crate::support::{PROJECT, SOON, spec, system, version};

mod contents;
mod registered;

use contents::{Contents, Kind};
use registered::{Place, task, verify};

/// What `features` refers to: project, domain, version.
const REFERENCES: [(&str, &str, &str); 2] = [
    ("data-warehouse", "production", "2024.1"),
    (PROJECT, "development", "2023.9"),
];

/// A way of packaging, and the version that the package was registered as.
struct Registered {
    name: String,
    spec: Value,
    contents: Contents,
}

#[test]
fn every_kind_of_entity_is_registered_as_the_package_has_it() -> Result<()> {
    block_on(async {
        let flyteadmin = FlyteAdmin::start("features-flyteadmin", &[PROJECT, "data-warehouse"]);
        let flyteadmin = flyteadmin.await?;
        let flags: [&[&str]; 3] = [
            &[],
            &["-d", ""],
            &[
                "-p",
                "/opt/venv/bin/python",
                "-d",
                "/srv/größe",
                "--env",
                "MODE=schnell",
            ],
        ];
        all_of("features", &flyteadmin, &flags).await
    })
}

#[test]
fn code_comes_along_in_every_way_of_packaging() -> Result<()> {
    block_on(async {
        let storage = S3::start("copied-s3").await?;
        let args = ["--storage-endpoint", storage.url()];
        let projects = [PROJECT, "data-warehouse"];
        let flyteadmin = FlyteAdmin::emulator("copied-flyteadmin", &projects, &args).await?;
        let flags: [&[&str]; 5] = [
            &["--fast"],
            &["--copy", "all"],
            &["--copy", "auto"],
            &["--copy", "auto", "-d", ""],
            &["--copy", "all", "--deref-symlinks", "-d", "/srv/code"],
        ];
        all_of("copied", &flyteadmin, &flags).await?;
        // Each brought its code, and the second look none.
        assert_eq!(storage.count("PUT", 200), flags.len());
        Ok(())
    })
}

/// What flytekit packages and FlyteAdmin 1.16.8 refuses: its compiler takes an array node for what is in
/// it, and wants nodes.
const REFUSED: &str = r"
from typing import List
from flytekit import LaunchPlan, task, workflow
from flytekit.core.array_node import array_node

@task
def double(x: int) -> int:
    return x * 2

@workflow
def fine(x: int) -> int:
    return double(x=x)

each = LaunchPlan.get_or_create(fine, 'refused.each')

@workflow
def launches_many(xs: List[int]) -> List[int]:
    return array_node(each)(x=xs)

@workflow
def has_no_nodes() -> None:
    pass
";

#[test]
fn what_flyteadmin_refuses_leaves_the_rest_registered() -> Result<()> {
    block_on(async {
        let projects = [PROJECT, "data-warehouse"];
        let flyteadmin = FlyteAdmin::start("refused-flyteadmin", &projects).await?;
        let world = World::shared().await?;
        let system = system("refused", world, &flyteadmin).await?;
        let package = package_source("refused", REFUSED).await?;
        let one = apply(&system, "refused", &package).await?;
        let resource = system.reason(0, &one.name, "FlyteRejected", SOON).await?;
        let entities = resource["status"]["entities"].as_array();
        let mut failed: Vec<_> = entities
            .into_iter()
            .flatten()
            .filter(|entity| entity["action"] == "Failed")
            .filter_map(|entity| Some((entity["name"].as_str()?, entity["message"].as_str()?)))
            .collect();
        failed.sort_unstable();
        let told = [
            ("refused.has_no_nodes", "NoNodesFound"),
            ("refused.launches_many", "MismatchingTypes"),
        ];
        assert_eq!(failed.len(), told.len(), "{failed:#?}");
        for ((name, message), (refused, code)) in failed.iter().zip(told) {
            assert!(*name == refused && message.contains(code), "{failed:#?}");
        }
        // A task, a workflow and its two launch plans.
        assert_eq!(resource["status"]["counts"]["created"], 4, "{resource:#}");
        Ok(())
    })
}

/// Registers the package in each way of packaging, looks at what FlyteAdmin has then, and lets a hub
/// that remembers nothing look again.
async fn all_of(name: &str, flyteadmin: &FlyteAdmin, flags: &[&[&str]]) -> Result<()> {
    let world = World::shared().await?;
    // What its launch plans name besides.
    let tenant = json!({
        "domains": ["development", "production"],
        "serviceAccounts": ["runner"],
        "rawOutputDataPrefixes": ["s3://acme/raw"],
    });
    let system = System::start(Setup {
        name,
        clusters: &world.clusters,
        registry: &world.registry,
        flyteadmin,
        projects: &[PROJECT, "data-warehouse"],
        hub: json!({"tenants": {"warehouse": tenant}}),
        agent: Value::Null,
    })
    .await?;
    let references = references(&system).await?;

    let mut all = Vec::new();
    for (index, flags) in flags.iter().enumerate() {
        let package = features_package(flags).await?;
        let one = apply(&system, &format!("way-{index}"), &package).await?;
        all.push(one);
    }
    for one in &all {
        let resource = system.reason(0, &one.name, "Registered", SOON).await?;
        one.counts(&resource["status"]["counts"], "created")?;
        verify(flyteadmin, &one.place(), &one.contents).await?;
    }

    system.restart_hub().await?;
    system.ready().await?;
    for one in &all {
        system.apply(1, &one.name, &one.spec).await?.success()?;
    }
    for one in &all {
        let resource = system.reason(1, &one.name, "Registered", SOON).await?;
        one.counts(&resource["status"]["counts"], "unchanged")?;
    }
    let repeated = repeated(flyteadmin).await?;
    ensure!(repeated.is_empty(), "created again: {repeated:?}");
    for ((project, domain, version), held) in REFERENCES.iter().zip(references) {
        let place = Place::new(project, domain, version);
        let now = task(flyteadmin, &place, "shared.clean").await?;
        ensure!(now == held, "shared.clean of {project} is another");
    }
    Ok(())
}

/// Registers what the package refers to, and gives the task that it refers to in each place.
async fn references(system: &System<'_>) -> Result<Vec<prost_reflect::DynamicMessage>> {
    let package = shared_package().await?;
    let repository = format!("{}/shared", system.setup.name);
    system.push(&package, &repository, "v1").await?;
    let uri = format!("oci://{}/{repository}:v1", system.setup.registry.host());
    let mut held = Vec::new();
    for (index, (project, domain, version)) in REFERENCES.into_iter().enumerate() {
        let mut spec = spec(&uri, version);
        spec["workflowProject"] = project.into();
        spec["workflowDomain"] = domain.into();
        let name = format!("shared-{index}");
        system.apply(0, &name, &spec).await?.success()?;
        system.reason(0, &name, "Registered", SOON).await?;
        let place = Place::new(project, domain, version);
        held.push(task(system.setup.flyteadmin, &place, "shared.clean").await?);
    }
    Ok(held)
}

async fn apply(system: &System<'_>, name: &str, package: &Path) -> Result<Registered> {
    let repository = format!("{}/{name}", system.setup.name);
    system.push(package, &repository, "v1").await?;
    let uri = format!("oci://{}/{repository}:v1", system.setup.registry.host());
    let spec = spec(&uri, &version());
    system.apply(0, name, &spec).await?.success()?;
    Ok(Registered {
        name: name.to_owned(),
        spec,
        contents: Contents::read(package)?,
    })
}

/// What was sent to be created more than once, where that is counted.
async fn repeated(flyteadmin: &FlyteAdmin) -> Result<BTreeSet<String>> {
    if !flyteadmin.is_emulator() {
        return Ok(BTreeSet::new());
    }
    let counters = flyteadmin.counters().await?;
    let calls = counters["byEntity"].as_array().into_iter().flatten();
    let repeated = calls.filter(|call| call["count"].as_u64() > Some(1));
    let names = repeated.filter_map(|call| {
        let created = call["rpc"].as_str()?.strip_prefix("Create")?;
        let name = call["name"].as_str()?;
        // An upload's location has none: it is asked for to compare where the code lies.
        (!name.is_empty()).then(|| format!("{created} {name}"))
    });
    Ok(names.collect())
}

impl Registered {
    fn place(&self) -> Place {
        let version = self.spec["workflowVersion"].as_str().unwrap_or_default();
        Place::new(PROJECT, "development", version)
    }

    /// All that the package holds has this `fate`.
    fn counts(&self, counts: &Value, fate: &str) -> Result<()> {
        let held = |kind| self.contents.of(kind).count();
        for (key, count) in [
            ("tasks", held(Kind::Task)),
            ("workflows", held(Kind::Workflow)),
            ("launchPlans", held(Kind::LaunchPlan)),
            (fate, self.contents.0.len()),
        ] {
            ensure!(counts[key] == json!(count), "{key}: {counts}");
        }
        Ok(())
    }
}

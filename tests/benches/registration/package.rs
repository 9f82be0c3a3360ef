//! The package that is registered.

use std::fmt::Write as _;

use anyhow::Result;
use flyte_registration_hub::package::{Archive, Limits, Plan, Selection, Target, plan, read};
use flyte_registration_tests::package::package_source;

/// As the peers of docs/performance.md were measured with: 200 tasks, and 20 workflows of ten tasks in a
/// chain, each with its launch plan.
const WORKFLOWS: usize = 20;
const STEPS: usize = 10;

/// Tasks, workflows and launch plans.
pub const ENTITIES: usize = WORKFLOWS * (STEPS + 2);

/// Made by the real `pyflyte package`.
pub async fn archive() -> Result<Archive> {
    let file = package_source("chains", &source()?).await?;
    let bytes = std::fs::read(file)?;
    Ok(read(bytes.as_slice(), &Limits::default())?)
}

/// What is sent to register it under `version`.
pub fn planned(archive: &Archive, project: &str, version: &str) -> Result<Plan> {
    let target = Target {
        project: project.to_owned(),
        domain: "development".to_owned(),
        version: version.to_owned(),
    };
    let plan = plan(archive.clone(), &target, &Selection::default())?;
    anyhow::ensure!(
        plan.entities.len() == ENTITIES,
        "the package holds {} entities",
        plan.entities.len()
    );
    Ok(plan)
}

fn source() -> Result<String> {
    let mut python = "from flytekit import task, workflow\n".to_owned();
    for chain in 0..WORKFLOWS {
        for step in 0..STEPS {
            write!(
                python,
                "\n\n@task\ndef add_{chain}_{step}(n: int) -> int:\n    return n + {step}\n"
            )?;
        }
        write!(python, "\n\n@workflow\ndef chain_{chain}(n: int) -> int:\n")?;
        for step in 0..STEPS {
            writeln!(python, "    n = add_{chain}_{step}(n=n)")?;
        }
        writeln!(python, "    return n")?;
    }
    Ok(python)
}

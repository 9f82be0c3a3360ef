//! `diff`: how a package differs from what is registered.

use std::{fs::File, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;

use super::{ConfigFiles, block_on};
use crate::{
    config,
    package::{self, Kind, Plan, Selection, Target},
    registrar::{Comparison, Registrar},
};

/// Something is different. Misuse and failures are 2, as clap has it.
const DIFFERENT: u8 = 1;
const FAILED: u8 = 2;

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 all is registered as the package has it; \
    1 something is different or not registered; 2 wrong usage, or it could not be compared.")]
pub(super) struct Diff {
    #[command(flatten)]
    files: ConfigFiles,
    /// The FlyteAdmin, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    flyte_admin: String,
    /// The Flyte project.
    #[arg(long)]
    project: String,
    /// The Flyte domain.
    #[arg(long)]
    domain: String,
    /// The version to compare with.
    #[arg(long = "version", value_name = "VERSION", id = "of-version")]
    version: String,
    /// Only this workflow, with all that it depends on and its launch plans.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// The package, a `.tgz` file made by `pyflyte package`.
    package: PathBuf,
}

impl Diff {
    pub(super) fn run(&self) -> ExitCode {
        let mut same = true;
        match block_on(async {
            same = self.print().await?;
            Ok(())
        }) {
            Ok(()) if same => ExitCode::SUCCESS,
            Ok(()) => ExitCode::from(DIFFERENT),
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(FAILED)
            }
        }
    }

    /// Prints the differences. Whether there are none.
    async fn print(&self) -> anyhow::Result<bool> {
        let config = config::load(&self.files.config)?;
        let admin = config.flyte_admins.get(&self.flyte_admin);
        let admin = admin.with_context(|| {
            let names: Vec<_> = config.flyte_admins.keys().map(String::as_str).collect();
            let names = names.join(", ");
            format!(
                "there is no FlyteAdmin {}; there are: {names}",
                self.flyte_admin
            )
        })?;
        let plan = self.plan(&config.package)?;
        let registrar = Registrar::new(&self.flyte_admin, admin)
            .with_context(|| format!("flyteAdmins.{}", self.flyte_admin))?;
        let comparisons = registrar.diff(&plan).await?;
        print!("{}", rendered(&plan, &comparisons));
        let same = |comparison: &Comparison| *comparison == Comparison::Same;
        Ok(comparisons.iter().all(same))
    }

    fn plan(&self, limits: &package::Limits) -> anyhow::Result<Plan> {
        let file = File::open(&self.package)
            .with_context(|| format!("cannot open {}", self.package.display()))?;
        let target = Target {
            project: self.project.clone(),
            domain: self.domain.clone(),
            version: self.version.clone(),
        };
        let selection = Selection {
            workflow_name: self.workflow.clone(),
        };
        let archive = package::read(file, limits)?;
        Ok(package::plan(&archive, &target, &selection)?)
    }
}

/// The entities that differ, each with its differences; at last the numbers.
fn rendered(plan: &Plan, comparisons: &[Comparison]) -> String {
    let mut lines = Vec::new();
    let (mut same, mut other, mut absent) = (0, 0, 0);
    for (entity, comparison) in plan.entities.iter().zip(comparisons) {
        // Names come out of the package, and this goes to a terminal.
        let name = format!("{} {}", Kind(entity.kind), entity.id.name.escape_debug());
        match comparison {
            Comparison::Same => same += 1,
            Comparison::Absent => {
                absent += 1;
                lines.push(format!("{name} is not registered"));
            }
            Comparison::Unknown => {
                other += 1;
                lines.push(format!(
                    "{name} is registered as something that cannot be compared"
                ));
            }
            Comparison::Other(explanation) => {
                other += 1;
                lines.push(format!("{name} differs"));
                let differences = explanation.differences.iter();
                lines.extend(differences.map(|difference| format!("  {difference}")));
                if explanation.more {
                    lines.push("  … and more".to_owned());
                }
            }
        }
    }
    lines.push(format!(
        "{same} the same, {other} different, {absent} not registered\n"
    ));
    lines.join("\n")
}

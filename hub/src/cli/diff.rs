//! `diff`: how a package differs from what is registered.

use std::process::ExitCode;

use clap::Args;
use flyte_registration_crd::EntityType;
use serde::Serialize;

use super::{
    admin::AdminArgs,
    differences::{self, Shown},
    logs::Logs,
    output::{Output, plain, print, print_json},
    package::PackageArg,
    progress::Progress,
    stop::unless_stopped,
    target::Target,
};
use crate::{
    package::{self, Kind, Plan},
    registrar::Comparison,
};

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  flyte-registration-hub diff flyte-package.tgz --config hub.yaml \\
      --project flytesnacks --domain development --version 2024.11.21
  flyte-registration-hub diff oci://registry.example/acme/etl --admin-endpoint dns:///flyte.example:443 \\
      --project flytesnacks --domain development --version 2024.11.21 --output json

Exit codes:
  0  all is registered as the package has it
  1  something is different or not registered
  2  wrong usage, or it could not be compared")]
pub(super) struct Diff {
    #[command(flatten)]
    package: PackageArg,
    #[command(flatten)]
    target: Target,
    /// How it is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    logs: Logs,
    #[command(flatten)]
    admin: AdminArgs,
}

impl Diff {
    pub(super) fn run(&self) -> ExitCode {
        self.logs.start();
        super::judged(unless_stopped(self.carry_out()))
    }

    /// Prints the differences. Whether there are none.
    async fn carry_out(&self) -> anyhow::Result<bool> {
        let config = self.admin.config()?;
        let registrar = self.admin.registrar(config.as_ref())?;
        let progress = Progress::new(self.logs.are_quiet());
        progress.begin(format!("fetching {}", self.package));
        let version = Some(self.target.version());
        let obtained = self.package.obtain(version, config.as_ref()).await??;
        let limits = config.map(|config| config.package).unwrap_or_default();
        let archive = package::read(obtained.open()?, &registrar.limits(&limits))?;
        let (target, selection) = (self.target.target(), self.target.selection());
        let plan = package::plan(archive, &target, &selection)?;
        progress.begin(format!("comparing with {}", registrar.name()));
        let comparisons = registrar.diff(&plan).await?;
        drop(progress);
        match self.output {
            Output::Table => print(&text(&plan, &comparisons))?,
            Output::Json => print_json(&Found::of(registrar.name(), &plan, &comparisons))?,
        }
        let same = |comparison: &Comparison| *comparison == Comparison::Same;
        Ok(comparisons.iter().all(same))
    }
}

/// What was found, for scripts.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    flyte_admin: &'a str,
    project: &'a str,
    domain: &'a str,
    version: &'a str,
    same: usize,
    different: usize,
    absent: usize,
    entities: Vec<Entity<'a>>,
}

#[derive(Debug, Serialize)]
struct Entity<'a> {
    #[serde(rename = "type")]
    type_: EntityType,
    name: &'a str,
    /// `same`, `different`, `absent`, or `unknown`: what is registered cannot be compared.
    comparison: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Shown>,
    /// There are more of them.
    more: bool,
}

impl<'a> Found<'a> {
    fn of(flyte_admin: &'a str, plan: &'a Plan, comparisons: &[Comparison]) -> Self {
        let (same, different, absent) = counted(comparisons);
        let entities = plan.entities.iter().zip(comparisons);
        let entities = entities.map(|(entity, comparison)| {
            let explanation = differences::of(comparison);
            Entity {
                type_: entity.kind,
                name: &entity.id.name,
                comparison: match comparison {
                    Comparison::Same => "same",
                    Comparison::Other(_) => "different",
                    Comparison::Absent => "absent",
                    Comparison::Unknown => "unknown",
                },
                differences: explanation.map(differences::shown).unwrap_or_default(),
                more: explanation.is_some_and(|explanation| explanation.more),
            }
        });
        Self {
            flyte_admin,
            project: &plan.target.project,
            domain: &plan.target.domain,
            version: &plan.target.version,
            same,
            different,
            absent,
            entities: entities.collect(),
        }
    }
}

/// How many are the same, different, and not registered.
fn counted(comparisons: &[Comparison]) -> (usize, usize, usize) {
    let count = |wanted| comparisons.iter().filter(|one| **one == wanted).count();
    let (same, absent) = (count(Comparison::Same), count(Comparison::Absent));
    (same, comparisons.len() - same - absent, absent)
}

/// The entities that differ, each with its differences; at last the numbers.
fn text(plan: &Plan, comparisons: &[Comparison]) -> String {
    let mut lines = Vec::new();
    for (entity, comparison) in plan.entities.iter().zip(comparisons) {
        let name = format!("{} {}", Kind(entity.kind), plain(&entity.id.name));
        match comparison {
            Comparison::Same => {}
            Comparison::Absent => lines.push(format!("{name} is not registered")),
            Comparison::Unknown => lines.push(format!(
                "{name} is registered as something that cannot be compared"
            )),
            Comparison::Other(explanation) => {
                lines.push(format!("{name} differs"));
                lines.extend(differences::lines(explanation).map(|line| format!("  {line}")));
            }
        }
    }
    let (same, other, absent) = counted(comparisons);
    lines.push(format!(
        "{same} the same, {other} different, {absent} not registered"
    ));
    lines.join("\n")
}

//! `inspect`: what a package holds.

use std::{fs::File, path::PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::output::{Output, plain, print, print_json, table};
use crate::{
    inspect::{Inspection, Interface},
    package::{self, Limits, Selection, Target},
};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  flyte-registration-hub inspect flyte-package.tgz
  flyte-registration-hub inspect flyte-package.tgz --workflow etl.nightly --output json")]
pub(super) struct Inspect {
    /// The package, a `.tgz` file made by `pyflyte package`.
    package: PathBuf,
    /// Only this workflow, with all that it depends on and its launch plans.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// How it is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

impl Inspect {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        let file = File::open(&self.package)
            .with_context(|| format!("cannot open {}", self.package.display()))?;
        let archive = package::read(file, &Limits::default())?;
        // Nothing of it is shown: names and interfaces are the same wherever it is registered.
        let target = Target {
            project: "project".to_owned(),
            domain: "domain".to_owned(),
            version: "version".to_owned(),
        };
        let selection = Selection {
            workflow_name: self.workflow.clone(),
        };
        let inspection = Inspection::of(&package::plan(archive, &target, &selection)?);
        match self.output {
            Output::Json => print_json(&inspection),
            Output::Table => Ok(print(&text(&inspection))?),
        }
    }
}

fn text(inspection: &Inspection) -> String {
    let mut tasks = table(&["TASK", "TYPE", "INPUTS", "OUTPUTS", "IMAGES"]);
    for task in &inspection.tasks {
        let (inputs, outputs) = sides(&task.interface);
        tasks.add_row([
            &task.name,
            &task.type_,
            &inputs,
            &outputs,
            &task.images.join(", "),
        ]);
    }
    let mut workflows = table(&["WORKFLOW", "NODES", "INPUTS", "OUTPUTS"]);
    for workflow in &inspection.workflows {
        let (inputs, outputs) = sides(&workflow.interface);
        workflows.add_row([
            &workflow.name,
            &workflow.nodes.to_string(),
            &inputs,
            &outputs,
        ]);
    }
    let mut plans = table(&["LAUNCH PLAN", "WORKFLOW", "SCHEDULE", "FIXED", "DEFAULTS"]);
    for plan in &inspection.launch_plans {
        let schedule = plan.schedule.clone().unwrap_or_default();
        let (fixed, defaults) = (plan.fixed_inputs.join(", "), plan.default_inputs.join(", "));
        plans.add_row([&plan.name, &plan.workflow, &schedule, &fixed, &defaults]);
    }
    let mut text = format!("{tasks}\n\n{workflows}\n\n{plans}");
    if !inspection.references.is_empty() {
        text.push_str("\n\nREFERENCES, which must be registered before\n");
        text.push_str(&inspection.references.join("\n"));
    }
    plain(&text)
}

fn sides(interface: &Interface) -> (String, String) {
    let side = |side: &std::collections::BTreeMap<String, String>| {
        let variables: Vec<String> = side
            .iter()
            .map(|(name, type_)| format!("{name}: {type_}"))
            .collect();
        variables.join(", ")
    };
    (side(&interface.inputs), side(&interface.outputs))
}

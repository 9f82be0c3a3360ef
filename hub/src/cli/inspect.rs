//! `inspect`: what a package holds.

use std::{fs::File, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use comfy_table::{Table, presets::NOTHING};

use crate::{
    inspect::{Inspection, Interface},
    package::{self, Limits, Selection, Target},
};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The package, a `.tgz` file made by `pyflyte package`.
    package: PathBuf,
    /// Only this workflow, with all that it depends on and its launch plans.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// For scripts.
    Json,
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
        let inspection = Inspection::of(&package::plan(&archive, &target, &selection)?);
        match self.output {
            Output::Json => println!("{}", serde_json::to_string_pretty(&inspection)?),
            Output::Table => print(&inspection),
        }
        Ok(())
    }
}

fn print(inspection: &Inspection) {
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
    println!("{tasks}\n\n{workflows}\n\n{plans}");
    if !inspection.references.is_empty() {
        println!(
            "\nREFERENCES, which must be registered before\n{}",
            inspection.references.join("\n")
        );
    }
}

/// A table without lines, as kubectl prints them.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    table
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

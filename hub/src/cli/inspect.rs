//! `inspect`: what a package holds.

use std::path::PathBuf;

use clap::Args;
use flyte_registration_crd::rules;

use super::{
    admin::configured,
    block_on,
    logs::Logs,
    output::{Output, plain, print, print_json, table},
    package::PackageArg,
    progress::Progress,
    stop::unless_stopped,
    target::keeping,
};
use crate::{
    inspect::{Inspection, Interface},
    package::{self, Limits, Selection, Target},
};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  flyte-registration-hub inspect flyte-package.tgz
  flyte-registration-hub inspect flyte-package.tgz --workflow etl.nightly --output json
  flyte-registration-hub inspect oci://registry.example/acme/etl:2024.11.21 --config hub.yaml")]
pub(super) struct Inspect {
    #[command(flatten)]
    package: PackageArg,
    /// The version by which a source finds the package, where its place does not say it.
    // clap keeps the id "version" for a flag of its own.
    #[arg(long = "version", value_name = "VERSION", id = "of-version", value_parser = keeping(&rules::WORKFLOW_VERSION))]
    version: Option<String>,
    /// Only this workflow, with all that it depends on and its launch plans.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// How it is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Configuration file of the hub, for its `sources` and `package`. May be repeated.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[command(flatten)]
    logs: Logs,
}

impl Inspect {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        self.logs.start();
        block_on(unless_stopped(self.carry_out()))
    }

    async fn carry_out(&self) -> anyhow::Result<()> {
        let config = configured(&self.config)?;
        let progress = Progress::new(self.logs.are_quiet());
        progress.begin(format!("fetching {}", self.package));
        let version = self.version.as_deref();
        let obtained = self.package.obtain(version, config.as_ref()).await??;
        drop(progress);
        // What a FlyteAdmin takes is its own affair, and here is none.
        let limits = Limits {
            workflow_nodes: usize::MAX,
            entity_bytes: u64::MAX,
            ..config.map(|config| config.package).unwrap_or_default()
        };
        let archive = package::read(obtained.open()?, &limits)?;
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

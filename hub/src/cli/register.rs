//! `register`: a package into FlyteAdmin, by the engine that the hub uses.

use std::{collections::BTreeSet, io::Read, process::ExitCode, sync::Arc};

use clap::{Args, ValueEnum};
use flyte_registration_crd::{Reason, rules};

use self::told::Told;
use super::{
    admin::AdminArgs,
    logs::Logs,
    output::{Output, print, print_json},
    package::{Obtained, PackageArg},
    progress::Progress,
    stop::{Stopped, unless_stopped},
    target::{Target, keeping},
};
use crate::{
    config::Config,
    package::{self, Activation, Chosen, Limits, Options, PackageError, Plan},
    registrar::{Registrar, Report},
};

mod told;

/// Arguments of `register`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  What would happen, by the hub's configuration:
    flyte-registration-hub register flyte-package.tgz --config hub.yaml \\
        --project flytesnacks --domain development --version 2024.11.21 --dry-run
  From a registry, without a configuration, and start its schedules:
    flyte-registration-hub register oci://registry.example/acme/etl:2024.11.21 \\
        --admin-endpoint dns:///flyte.example:443 --client-id ci --client-secret-file secret \\
        --project flytesnacks --domain production --version 2024.11.21 --activate scheduled
  For scripts:
    flyte-registration-hub register … --output json | jq .failure.reason

Exit codes:
  0  all is registered and activated; with --dry-run: would be
  1  something is not, or would not be: the package, its source, or FlyteAdmin stands against it
  2  wrong usage: arguments, configuration, or a file that cannot be read
  130, 143  stopped by Ctrl-C or SIGTERM; the same command goes on where it stopped")]
pub(super) struct Register {
    #[command(flatten)]
    package: PackageArg,
    #[command(flatten)]
    target: Target,
    /// Show what would happen, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Create the project if it is missing.
    #[arg(long)]
    create_project: bool,
    /// Activate launch plans once all is registered, one version of each.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Activate::None)]
    activate: Activate,
    /// Activate the launch plan of this name. May be repeated.
    #[arg(long, value_name = "NAME", value_parser = keeping(&rules::ENTITY_NAME), conflicts_with = "activate")]
    activate_launch_plan: Vec<String>,
    /// The Kubernetes service account of launch plans, as flytectl's --k8sServiceAccount.
    #[arg(long, value_name = "NAME", alias = "k8sServiceAccount", value_parser = keeping(&rules::SERVICE_ACCOUNT))]
    service_account: Option<String>,
    /// The IAM role of launch plans, as flytectl's --assumableIamRole.
    #[arg(long, value_name = "ROLE", alias = "assumableIamRole", value_parser = keeping(&rules::IAM_ROLE))]
    iam_role: Option<String>,
    /// Where raw output of launch plans goes, as flytectl's --outputLocationPrefix.
    #[arg(long, value_name = "URL", alias = "outputLocationPrefix", value_parser = keeping(&rules::RAW_OUTPUT_DATA_PREFIX))]
    raw_output_data_prefix: Option<String>,
    /// How the outcome is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    logs: Logs,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Activate {
    /// None of them.
    None,
    /// Those with a schedule, which runs from then on.
    Scheduled,
    /// All of them.
    All,
}

impl Register {
    pub(super) fn run(&self) -> ExitCode {
        self.logs.start();
        super::judged(self.carry_out())
    }

    /// Prints what became of it. Whether all of it is there, or would be.
    async fn carry_out(&self) -> anyhow::Result<bool> {
        let config = self.admin.config()?;
        let registrar = self.admin.registrar(config.as_ref())?;
        let told = unless_stopped(Box::pin(self.work(config.as_ref(), &registrar))).await;
        if told.as_ref().is_err_and(anyhow::Error::is::<Stopped>) {
            // Half an activation leaves no schedule running. Whoever insists may have that.
            let ended = async {
                registrar.activations_ended().await;
                Ok(())
            };
            unless_stopped(ended).await?;
        }
        let told = told?;
        match self.output {
            Output::Table => print(&told.text())?,
            Output::Json => print_json(&told)?,
        }
        if let Some(failure) = &told.failure {
            let is = if told.dry_run { "would not be" } else { "not" };
            eprintln!(
                "error: {is} registered: {}: {}",
                failure.reason, failure.message
            );
        }
        Ok(told.failure.is_none())
    }

    async fn work(&self, config: Option<&Config>, registrar: &Registrar) -> anyhow::Result<Told> {
        let told = Told::new(self.dry_run, registrar, self.target.target());
        let progress = Progress::new(self.logs.are_quiet());
        progress.begin(format!("fetching {}", self.package));
        let obtained = match self
            .package
            .obtain(Some(self.target.version()), config)
            .await?
        {
            Ok(obtained) => Arc::new(obtained),
            Err(failure) => return Ok(told.failed(failure.reason, &failure.message)),
        };
        let told = told.of(obtained.package.clone());
        progress.begin(format!("reading {}", self.package));
        let limits = config
            .map(|config| config.package.clone())
            .unwrap_or_default();
        let limits = registrar.limits(&limits);
        let (plan, chosen) = match self.plan(Arc::clone(&obtained), limits).await? {
            Ok(planned) => planned,
            Err(error) => return Ok(told.failed(error.reason(), &error.to_string())),
        };
        if self.dry_run {
            progress.begin(format!("looking at {}", registrar.name()));
            let forecast = registrar.foresee(&plan, &chosen).await;
            return Ok(told.reported(&plan, forecast.report, &forecast.comparisons));
        }
        progress.count(
            format!("registering in {}", registrar.name()),
            plan.entities.len(),
        );
        let open = || Ok(Box::new(obtained.open()?) as Box<dyn Read + Send>);
        let watch = |settled| progress.at(settled);
        let report = registrar.register_watched(&plan, &open, &watch).await;
        let report = registrar.activate(&plan, &chosen, report).await;
        // The report has room for a part of a conflict; here is room for all of it.
        let comparisons = if conflicts(&report) {
            registrar.diff(&plan).await.unwrap_or_default()
        } else {
            Vec::new()
        };
        Ok(told.reported(&plan, report, &comparisons))
    }

    /// The plan of the package, and which launch plans of it are to be activated.
    async fn plan(
        &self,
        obtained: Arc<Obtained>,
        limits: Limits,
    ) -> anyhow::Result<Result<(Plan, Vec<Chosen>), PackageError>> {
        let file = obtained.open()?;
        let (target, selection) = (self.target.target(), self.target.selection());
        let (options, activation) = (self.options(), self.activation());
        let create_project = self.create_project;
        let planned = tokio::task::spawn_blocking(move || {
            let archive = package::read(file, &limits)?;
            let mut plan = package::plan(archive, &target, &selection)?;
            plan.create_project = create_project;
            plan.apply(&options)?;
            let chosen = plan.chosen(&activation)?;
            Ok((plan, chosen))
        });
        Ok(planned.await?)
    }

    fn options(&self) -> Options {
        Options {
            service_account: self.service_account.clone(),
            iam_role: self.iam_role.clone(),
            raw_output_data_prefix: self.raw_output_data_prefix.clone(),
        }
    }

    fn activation(&self) -> Activation {
        let named: BTreeSet<_> = self.activate_launch_plan.iter().cloned().collect();
        match self.activate {
            _ if !named.is_empty() => Activation::Named(named),
            Activate::None => Activation::None,
            Activate::Scheduled => Activation::Scheduled,
            Activate::All => Activation::All,
        }
    }
}

fn conflicts(report: &Report) -> bool {
    let failure = report.failure.as_ref();
    failure.is_some_and(|failure| failure.reason == Reason::VersionConflict)
}

//! `can-i`: what the policy says to a question, and by which rule.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{
    judged,
    output::{Output, plain, print, print_json, table},
};
use crate::{
    config::{self, Config},
    fleet::{Refusal, find},
    source::{PackageRef, Wanted},
    tenancy::{Extras, Grant, Labels, Question, Tenancy},
};

/// See `--help`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Asks the configuration alone: neither a running hub, nor a source, nor FlyteAdmin. The message is what the tenant would read.

Exit codes:
  0  allowed
  1  denied
  2  wrong usage, or a configuration that cannot be used

Examples:
  flyte-registration-hub can-i --config hub.yaml --cluster east --namespace data-etl --project etl --domain development
  flyte-registration-hub can-i … --label team=data --package team/flows --version v1 --image ghcr.io/acme/etl:v1")]
pub(super) struct CanI {
    /// Configuration file. May be repeated: later ones over earlier ones, and the environment
    /// (`FLYTE_HUB_…`) over all.
    #[arg(long, value_name = "FILE", required = true)]
    config: Vec<PathBuf>,
    /// The cluster, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    cluster: String,
    /// The namespace of the resource.
    #[arg(long, short, value_name = "NAME")]
    namespace: String,
    /// A label of the namespace. May be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    /// The Flyte project, `spec.workflowProject`.
    #[arg(long, short, value_name = "NAME")]
    project: String,
    /// The Flyte domain, `spec.workflowDomain`.
    #[arg(long, short, value_name = "NAME")]
    domain: String,
    /// The package, `spec.workflowPackageUri`.
    #[arg(long, value_name = "URI")]
    package: Option<String>,
    /// Its version, `spec.workflowVersion`.
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "v1",
        requires = "package"
    )]
    version: String,
    /// Its digest, `spec.digest`.
    #[arg(long, value_name = "DIGEST", requires = "package")]
    digest: Option<String>,
    /// A container image in the package. May be repeated.
    #[arg(long, value_name = "IMAGE")]
    image: Vec<String>,
    /// A Kubernetes service account, of the spec or in the package.
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// An IAM role, of the spec or in the package.
    #[arg(long, value_name = "ROLE")]
    iam_role: Option<String>,
    /// Where raw output goes.
    #[arg(long, value_name = "URL")]
    raw_output_data_prefix: Option<String>,
    /// Launch plans are to be activated.
    #[arg(long)]
    activate: bool,
    /// How the answer is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    allowed: bool,
    /// The key of the configuration that decided.
    rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flyte_admin: Option<String>,
    /// The source that the package comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// Where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<String>,
    /// In one word, as the resource's conditions would have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl CanI {
    pub(super) fn run(&self) -> ExitCode {
        judged(async {
            let config = config::load(&self.config)?;
            let answer = Answer::of(self.ask(&config));
            match self.output {
                Output::Json => print_json(&answer)?,
                Output::Table => print(&answer.table())?,
            }
            Ok(answer.allowed)
        })
    }

    fn ask(&self, config: &Config) -> Result<(Grant, Option<PackageRef>), Refusal> {
        let labels: Labels = self.label.iter().cloned().collect();
        let grant = Tenancy::new(config.tenants.clone()).decide(Question {
            cluster: &self.cluster,
            namespace: &self.namespace,
            labels: &labels,
            project: &self.project,
            domain: &self.domain,
        })?;
        let extras = Extras {
            service_account: self.service_account.as_deref(),
            iam_role: self.iam_role.as_deref(),
            raw_output_data_prefix: self.raw_output_data_prefix.as_deref(),
            activate: self.activate,
        };
        grant.terms.permit(&self.namespace, extras)?;
        for image in &self.image {
            grant.terms.permit_image(&self.namespace, image)?;
        }
        let package = self.package.as_ref().map(|uri| {
            let wanted = Wanted {
                uri,
                version: &self.version,
                digest: self.digest.as_deref(),
            };
            find(wanted, &grant, &config.sources)
        });
        let package = package.transpose()?;
        Ok((grant, package))
    }
}

impl Answer {
    fn of(answer: Result<(Grant, Option<PackageRef>), Refusal>) -> Self {
        match answer {
            Ok((grant, package)) => Self {
                allowed: true,
                rule: grant.rule,
                tenant: Some(grant.tenant),
                flyte_admin: Some(grant.flyte_admin),
                package: package.as_ref().map(ToString::to_string),
                source: package.map(|package| package.source),
                reason: None,
                message: None,
            },
            Err(refusal) => Self {
                allowed: false,
                rule: refusal.rule.unwrap_or_default(),
                tenant: None,
                flyte_admin: None,
                source: None,
                package: None,
                reason: Some(refusal.reason.as_str()),
                message: Some(refusal.message),
            },
        }
    }

    fn table(&self) -> String {
        let allowed = if self.allowed { "yes" } else { "no" };
        let mut table = table(&["ALLOWED", allowed]);
        let rows = [
            (
                "RULE",
                Some(self.rule.as_str()).filter(|rule| !rule.is_empty()),
            ),
            ("TENANT", self.tenant.as_deref()),
            ("FLYTEADMIN", self.flyte_admin.as_deref()),
            ("SOURCE", self.source.as_deref()),
            ("PACKAGE", self.package.as_deref()),
            ("REASON", self.reason),
            ("MESSAGE", self.message.as_deref()),
        ];
        for (name, value) in rows {
            if let Some(value) = value {
                table.add_row([name.to_owned(), plain(value)]);
            }
        }
        table.to_string()
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be key=value".to_owned()),
    }
}

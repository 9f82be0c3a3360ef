//! What of a package is registered where.

use clap::Args;
use flyte_registration_crd::rules::{self, Rule};

use crate::package::{self, Selection};

#[derive(Debug, Args)]
pub(super) struct Target {
    /// The Flyte project.
    #[arg(long, short, value_parser = keeping(&rules::ID))]
    project: String,
    /// The Flyte domain.
    #[arg(long, short, value_parser = keeping(&rules::ID))]
    domain: String,
    /// The version that everything in the package gets. It has no default: a version is
    /// what other things refer to.
    // clap keeps the id "version" for a flag of its own.
    #[arg(long = "version", value_name = "VERSION", id = "of-version", value_parser = keeping(&rules::WORKFLOW_VERSION))]
    version: String,
    /// Only this workflow, with all that it depends on and its launch plans: its full name,
    /// or the last dotted part of it.
    #[arg(long, value_name = "NAME", value_parser = keeping(&rules::ENTITY_NAME))]
    workflow: Option<String>,
}

impl Target {
    pub(super) fn target(&self) -> package::Target {
        package::Target {
            project: self.project.clone(),
            domain: self.domain.clone(),
            version: self.version.clone(),
        }
    }

    pub(super) fn selection(&self) -> Selection {
        Selection {
            workflow_name: self.workflow.clone(),
        }
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }
}

/// Takes what the field of the resource with this rule would take.
pub(super) fn keeping(
    rule: &'static Rule,
) -> impl Fn(&str) -> Result<String, String> + Clone + Send + Sync + 'static {
    move |value| match rule.broken_by(value) {
        None => Ok(value.to_owned()),
        Some(problem) => Err(problem),
    }
}

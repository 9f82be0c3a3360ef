//! Who may register what. Pure: a decision needs nothing but the policy and the question.
//!
//! Default deny: what no tenant allows is refused, and the refusal says which part of the
//! question found no match.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::source::SignaturesConfig;

mod extras;
mod glob;
pub use extras::Extras;
pub use glob::Glob;

/// A tenant: these namespaces of these clusters may register these packages there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tenant {
    /// The clusters, by name.
    pub clusters: Vec<Glob>,
    /// Their namespaces.
    pub namespaces: Vec<Glob>,
    /// The FlyteAdmin to register in.
    pub flyte_admin: String,
    /// The Flyte projects.
    pub projects: Vec<Glob>,
    /// The Flyte domains.
    pub domains: Vec<Glob>,
    /// The sources that packages may come from.
    pub sources: Vec<String>,
    /// The source of relative package URIs.
    #[serde(default)]
    pub default_source: Option<String>,
    /// Whose signatures packages must have, besides what their source demands.
    #[serde(default)]
    pub signatures: Option<SignaturesConfig>,
    /// The Kubernetes service accounts that launch plans may be given.
    #[serde(default)]
    pub service_accounts: Vec<Glob>,
    /// The IAM roles that launch plans may be given.
    #[serde(default)]
    pub iam_roles: Vec<Glob>,
    /// Where launch plans may be told to put their raw output.
    #[serde(default)]
    pub raw_output_data_prefixes: Vec<Glob>,
    /// Launch plans may be activated.
    #[serde(default)]
    pub activate_launch_plans: bool,
    /// Projects that are missing may be created.
    #[serde(default)]
    pub create_projects: bool,
}

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The cluster, by its verified identity.
    pub cluster: &'a str,
    /// The namespace of the resource.
    pub namespace: &'a str,
    /// The Flyte project that it asks for.
    pub project: &'a str,
    /// The Flyte domain that it asks for.
    pub domain: &'a str,
}

/// It may, and on these terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The tenant that allows it.
    pub tenant: String,
    /// The key of the configuration that does, as in `tenants.warehouse`.
    pub rule: String,
    /// The FlyteAdmin to register in.
    pub flyte_admin: String,
    /// The sources that the package may come from.
    pub sources: Vec<String>,
    /// The source of relative package URIs.
    pub default_source: Option<String>,
    /// Whose signatures packages must have, besides what their source demands.
    pub signatures: Option<SignaturesConfig>,
    /// Whether the project may be created if it is missing.
    pub create_project: bool,
}

/// It may not. Displays what the tenant may know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// The key of the configuration that decided: `tenants` when no tenant fits, as in
    /// `tenants.warehouse.domains` when one would but for this. Not for tenants.
    pub rule: String,
    /// For the tenant.
    pub message: String,
}

/// The policy: all tenants by name.
#[derive(Clone, Debug, Default)]
pub struct Tenancy {
    tenants: BTreeMap<String, Tenant>,
}

impl Tenancy {
    /// The policy of `tenants`.
    pub fn new(tenants: BTreeMap<String, Tenant>) -> Self {
        Self { tenants }
    }

    /// Whether and on which terms `question` is allowed. Where several tenants allow it, the
    /// first by name decides.
    pub fn decide(&self, question: Question<'_>) -> Result<Grant, Denial> {
        let Question {
            cluster,
            namespace,
            project,
            domain,
        } = question;
        let here: Vec<_> = self
            .tenants
            .iter()
            .filter(|(_, tenant)| {
                any(&tenant.clusters, cluster) && any(&tenant.namespaces, namespace)
            })
            .collect();
        if here.is_empty() {
            return Err(Denial {
                rule: "tenants".to_owned(),
                message: format!(
                    "namespace {namespace} of cluster {cluster} may not register anything"
                ),
            });
        }
        let with_project: Vec<_> = here
            .iter()
            .copied()
            .filter(|(_, tenant)| any(&tenant.projects, project))
            .collect();
        if with_project.is_empty() {
            return Err(Denial {
                rule: rule(&here, "projects"),
                message: format!("namespace {namespace} may not register into project {project}"),
            });
        }
        with_project
            .iter()
            .find(|(_, tenant)| any(&tenant.domains, domain))
            .map(|(name, tenant)| Grant {
                tenant: (*name).clone(),
                rule: format!("tenants.{name}"),
                flyte_admin: tenant.flyte_admin.clone(),
                sources: tenant.sources.clone(),
                default_source: tenant.default_source.clone(),
                signatures: tenant.signatures.clone(),
                create_project: tenant.create_projects,
            })
            .ok_or_else(|| Denial {
                rule: rule(&with_project, "domains"),
                message: format!(
                    "namespace {namespace} may not register into domain {domain} of project {project}"
                ),
            })
    }
}

/// The key that stands against it: that of the only tenant that would allow it otherwise.
fn rule(tenants: &[(&String, &Tenant)], field: &str) -> String {
    match tenants {
        [(name, _)] => format!("tenants.{name}.{field}"),
        _ => "tenants".to_owned(),
    }
}

fn any(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}

#[cfg(test)]
mod tests;

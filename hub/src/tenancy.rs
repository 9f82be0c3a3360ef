//! Who may register what. Pure: a decision needs nothing but the policy and the question.
//!
//! Default deny: what no tenant allows is refused, and the refusal says which part of the
//! question found no match. A question that several tenants allow is refused too: neither their
//! order nor the sum of what they allow would be what somebody wrote down.

use std::{collections::BTreeMap, sync::Arc};

mod extras;
mod glob;
mod namespace;
mod prefix;
mod review;
mod selector;
mod template;
mod tenant;
mod terms;
mod warnings;

pub use extras::Extras;
pub use glob::Glob;
pub use namespace::{NamespacePattern, Reading};
pub use prefix::PackagePrefix;
pub use selector::{LabelSelector, Labels, Operator, Requirement};
pub use template::{Template, TemplateError};
pub use tenant::Tenant;
pub use terms::Terms;

use crate::source::SignaturesConfig;

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The cluster, by its verified identity.
    pub cluster: &'a str,
    /// The namespace of the resource.
    pub namespace: &'a str,
    /// The namespace's labels, as the cluster's agent has them.
    pub labels: &'a Labels,
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
    /// Where in their sources packages must lie; `None`: anywhere.
    pub package_prefixes: Option<Vec<PackagePrefix>>,
    /// Whose signatures packages must have, besides what their source demands.
    pub signatures: Option<SignaturesConfig>,
    /// Whether the package must be pinned by a digest.
    pub require_digest: bool,
    /// Whether the project may be created if it is missing.
    pub create_project: bool,
    /// How many turns the tenant has for one of the others.
    pub weight: u32,
    /// Whether FlyteAdmin is called with the tenant's own credentials.
    pub own_credentials: bool,
    /// What the package and its launch plans may have.
    pub terms: Arc<Terms>,
}

/// It may not. Displays what the tenant may know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// The key of the configuration that decided: `tenants` when no tenant fits, as in
    /// `tenants.warehouse.domains` when one would but for this, several with commas when they
    /// contradict each other. Not for tenants.
    pub rule: String,
    /// For the tenant.
    pub message: String,
}

/// The policy: all tenants by name.
#[derive(Clone, Debug, Default)]
pub struct Tenancy {
    tenants: BTreeMap<String, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    tenant: Tenant,
    terms: Arc<Terms>,
}

impl Tenancy {
    /// The policy of `tenants`.
    pub fn new(tenants: BTreeMap<String, Tenant>) -> Self {
        let tenants = tenants.into_iter().map(|(name, tenant)| {
            let terms = Arc::new(Terms::of(&name, &tenant));
            (name, Known { tenant, terms })
        });
        Self {
            tenants: tenants.collect(),
        }
    }

    /// Whether and on which terms `question` is allowed.
    pub fn decide(&self, question: Question<'_>) -> Result<Grant, Denial> {
        let Question {
            namespace,
            project,
            domain,
            ..
        } = question;
        let here = self.here(question);
        let allowing: Vec<_> = here
            .iter()
            .filter(|(_, known)| known.tenant.allows(namespace, project, domain))
            .collect();
        let &[(name, known)] = allowing.as_slice() else {
            return Err(match allowing.as_slice() {
                [] => nobody(question, &here),
                several => Denial {
                    rule: keys(several.iter().map(|(name, _)| format!("tenants.{name}"))),
                    message: format!(
                        "namespace {namespace} may register into domain {domain} of project \
                         {project} by several rules of the platform team, which contradict each other"
                    ),
                },
            });
        };
        // A name that is listed needs no template to say what it is for.
        if !known.tenant.lists(namespace) {
            one_reading(question, &here)?;
        }
        Ok(known.grant(name))
    }

    /// The tenants that have this namespace of this cluster.
    fn here(&self, question: Question<'_>) -> Vec<(&String, &Known)> {
        let Question {
            cluster,
            namespace,
            labels,
            ..
        } = question;
        let tenants = self.tenants.iter().filter(|(_, Known { tenant, .. })| {
            tenant.covers(cluster, labels)
                && (tenant.lists(namespace) || tenant.readings(namespace).next().is_some())
        });
        tenants.collect()
    }
}

impl Known {
    fn grant(&self, name: &str) -> Grant {
        let tenant = &self.tenant;
        Grant {
            tenant: name.to_owned(),
            rule: format!("tenants.{name}"),
            flyte_admin: tenant.flyte_admin.clone(),
            sources: tenant.sources.clone(),
            default_source: tenant.default_source.clone(),
            package_prefixes: tenant.package_prefixes.clone(),
            signatures: tenant.signatures.clone(),
            require_digest: tenant.require_digest,
            create_project: tenant.create_projects,
            weight: tenant.weight.get(),
            own_credentials: tenant.auth.is_some(),
            terms: Arc::clone(&self.terms),
        }
    }
}

/// Why none of the tenants that have the namespace allows the question.
fn nobody(question: Question<'_>, here: &[(&String, &Known)]) -> Denial {
    let Question {
        cluster,
        namespace,
        project,
        domain,
        ..
    } = question;
    if here.is_empty() {
        return Denial {
            rule: "tenants".to_owned(),
            message: format!(
                "namespace {namespace} of cluster {cluster} may not register anything"
            ),
        };
    }
    let with_project: Vec<_> = here
        .iter()
        .filter(|(_, known)| any(&known.tenant.projects, project))
        .collect();
    let rule = |tenants: &[&(&String, &Known)], field| {
        keys(
            tenants
                .iter()
                .map(|(name, _)| format!("tenants.{name}.{field}")),
        )
    };
    let into_project = || format!("namespace {namespace} may not register into project {project}");
    let into_domain = || {
        format!("namespace {namespace} may not register into domain {domain} of project {project}")
    };
    if with_project.is_empty() {
        let all: Vec<_> = here.iter().collect();
        return Denial {
            rule: rule(&all, "projects"),
            message: into_project(),
        };
    }
    let with_domain: Vec<_> = with_project
        .iter()
        .copied()
        .filter(|(_, known)| any(&known.tenant.domains, domain))
        .collect();
    if with_domain.is_empty() {
        return Denial {
            rule: rule(&with_project, "domains"),
            message: into_domain(),
        };
    }
    // It is the namespace's name that stands for something else.
    let mut readings = with_domain
        .iter()
        .flat_map(|(_, known)| known.tenant.readings(namespace));
    let of_project = readings.any(|reading| reading.project.is_none_or(|it| it == project));
    Denial {
        rule: rule(&with_domain, "namespaces"),
        message: if of_project {
            into_domain()
        } else {
            into_project()
        },
    }
}

/// Who may have a namespace of this name may have it for another project too, unless all that it
/// can be taken for is what is asked for.
fn one_reading(question: Question<'_>, here: &[(&String, &Known)]) -> Result<(), Denial> {
    let Question {
        namespace,
        project,
        domain,
        ..
    } = question;
    let others = here.iter().filter(|(_, known)| {
        let mut readings = known.tenant.readings(namespace);
        readings.any(|reading| !reading.agrees(project, domain))
    });
    let rule = keys(others.map(|(name, _)| format!("tenants.{name}.namespaces")));
    if rule.is_empty() {
        return Ok(());
    }
    Err(Denial {
        rule,
        message: format!(
            "the name of namespace {namespace} stands for project {project} and domain {domain}, \
             and for another project or domain as well"
        ),
    })
}

fn keys(keys: impl Iterator<Item = String>) -> String {
    keys.collect::<Vec<_>>().join(",")
}

fn any(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}

#[cfg(test)]
mod tests;

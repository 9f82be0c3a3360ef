//! A tenant, as the configuration has it.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::{Glob, LabelSelector, Labels, NamespacePattern, PackagePrefix, Reading, any};
use crate::{registrar::AuthConfig, source::SignaturesConfig};

/// A tenant: these namespaces of these clusters may register these packages there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // keys of the configuration, each on its own
pub struct Tenant {
    /// The clusters, by name.
    pub clusters: Vec<Glob>,
    /// Their namespaces.
    pub namespaces: Vec<NamespacePattern>,
    /// What the namespaces' labels must be besides.
    #[serde(default)]
    pub namespace_selector: LabelSelector,
    /// The FlyteAdmin to register in.
    pub flyte_admin: String,
    /// OAuth 2 client credentials of its own for that FlyteAdmin, so that it holds the tenant to its
    /// projects as well. Left out: those of the FlyteAdmin.
    #[serde(default)]
    pub auth: Option<AuthConfig>,
    /// The Flyte projects.
    pub projects: Vec<Glob>,
    /// The Flyte domains.
    pub domains: Vec<Glob>,
    /// The sources that packages may come from.
    pub sources: Vec<String>,
    /// The source of relative package URIs.
    #[serde(default)]
    pub default_source: Option<String>,
    /// Where in their sources packages must lie. Left out: anywhere.
    #[serde(default)]
    pub package_prefixes: Option<Vec<PackagePrefix>>,
    /// Whose signatures packages must have, besides what their source demands.
    #[serde(default)]
    pub signatures: Option<SignaturesConfig>,
    /// Packages must be pinned by a digest.
    #[serde(default)]
    pub require_digest: bool,
    /// The container images that packages may name.
    pub images: Vec<Glob>,
    /// The Kubernetes service accounts that packages and their launch plans may name.
    #[serde(default)]
    pub service_accounts: Vec<Glob>,
    /// The IAM roles that packages and their launch plans may name.
    #[serde(default)]
    pub iam_roles: Vec<Glob>,
    /// Where launch plans may be told to put their raw output.
    #[serde(default)]
    pub raw_output_data_prefixes: Vec<Glob>,
    /// Pods may have what makes a container as good as root on its node.
    #[serde(default)]
    pub privileged: bool,
    /// Pods may share the node's network, processes and IPC, and open its ports.
    #[serde(default)]
    pub host_namespaces: bool,
    /// Paths of the node that pods may mount.
    #[serde(default)]
    pub host_paths: Vec<Glob>,
    /// Launch plans may be activated.
    #[serde(default)]
    pub activate_launch_plans: bool,
    /// Projects that are missing may be created.
    #[serde(default)]
    pub create_projects: bool,
    /// How many turns it has for one of the others, while there is more to do than can be done.
    #[serde(default = "one")]
    pub weight: NonZeroU32,
}

impl Tenant {
    /// Whether these labels of a namespace of this cluster are a tenant's. Says nothing of the name.
    pub(super) fn covers(&self, cluster: &str, labels: &Labels) -> bool {
        any(&self.clusters, cluster) && self.namespace_selector.matches(labels)
    }

    /// Whether a glob names the namespace, so that it may be of any project and domain.
    pub(super) fn lists(&self, namespace: &str) -> bool {
        let mut globs = self.namespaces.iter().filter_map(NamespacePattern::glob);
        globs.any(|glob| glob.matches(namespace))
    }

    /// Whether the namespace may ask for this project and domain.
    pub(super) fn allows(&self, namespace: &str, project: &str, domain: &str) -> bool {
        let mut patterns = self.namespaces.iter();
        any(&self.projects, project)
            && any(&self.domains, domain)
            && patterns.any(|pattern| pattern.matches(namespace, project, domain))
    }

    /// What the templates take the namespace for, as far as it is the tenant's.
    pub(super) fn readings<'a>(&self, namespace: &'a str) -> impl Iterator<Item = Reading<'a>> {
        let templates = self
            .namespaces
            .iter()
            .filter_map(NamespacePattern::template);
        templates
            .flat_map(|template| template.readings(namespace))
            .filter(|reading| {
                reading.project.is_none_or(|it| any(&self.projects, it))
                    && reading.domain.is_none_or(|it| any(&self.domains, it))
            })
    }
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

use serde_json::Value;

use crate::peers::{ApiServer, FlyteAdmin, Registry};

/// What a system is made of and allowed.
pub struct Setup<'a> {
    /// Names its namespaces, folders and leases: no two systems of a process may share it.
    pub name: &'a str,
    /// The clusters, at most as many as [`super::CLUSTERS`].
    pub clusters: &'a [ApiServer],
    /// Where packages come from.
    pub registry: &'a Registry,
    /// Where they are registered.
    pub flyteadmin: &'a FlyteAdmin,
    /// The Flyte projects that the tenant may register into.
    pub projects: &'a [&'a str],
    /// Merged over the hub's configuration.
    pub hub: Value,
    /// Merged over the agents' configuration.
    pub agent: Value,
}

impl Setup<'_> {
    /// The namespace that the agents run in.
    pub fn system_namespace(&self) -> String {
        format!("system-{}", self.name)
    }

    /// The agents' service account in there.
    pub fn service_account(&self) -> String {
        format!("agent-{}", self.system_namespace())
    }

    /// How tokens name it.
    pub fn subject(&self) -> String {
        let (namespace, account) = (self.system_namespace(), self.service_account());
        format!("system:serviceaccount:{namespace}:{account}")
    }

    /// The namespace in which tenants' resources stand. It exists in each cluster.
    pub fn tenant_namespace(&self) -> String {
        format!("data-{}", self.name)
    }
}

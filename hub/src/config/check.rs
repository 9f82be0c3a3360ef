//! What the types of the configuration cannot say.

use std::fmt;

use super::Config;
use crate::{source::SourceConfig, tenancy::Tenancy, web};

/// A value that cannot stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its key, as in `tenants.warehouse.sources`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// All of them, a line each.
pub(super) fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

impl Config {
    /// Everything that is wrong with the whole.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |key: String, message: &str| {
            problems.push(Problem {
                key,
                message: message.to_owned(),
            });
        };

        if self.listen.tls.is_none() && !self.listen.address.ip().is_loopback() {
            add(
                "listen.address".to_owned(),
                "must be a loopback address as long as listen.tls is not set",
            );
        }
        if self.work.concurrency == 0 {
            add("work.concurrency".to_owned(), "must be at least 1");
        }
        if self.work.packages_per_flyte_admin == 0 {
            add(
                "work.packagesPerFlyteAdmin".to_owned(),
                "must be at least 1",
            );
        }
        if self.work.retry_initial.is_zero() || self.work.retry_initial > self.work.retry_max {
            add(
                "work.retryInitial".to_owned(),
                "must be more than 0 and at most work.retryMax",
            );
        }
        if self.session.heartbeat.as_secs() == 0 || self.session.heartbeat * 2 > self.session.gone {
            add(
                "session.heartbeat".to_owned(),
                "must be at least 1s and at most half of session.gone",
            );
        }
        for (key, message) in self.api.iter().flat_map(web::api::ApiConfig::problems) {
            add(format!("api.{key}"), message);
        }
        for (key, message) in self.audit.problems() {
            add(format!("audit.{key}"), message);
        }
        if self.session.max_sessions_per_cluster < 2 || self.session.max_messages_per_second == 0 {
            add(
                "session".to_owned(),
                "maxSessionsPerCluster must be at least 2, maxMessagesPerSecond at least 1",
            );
        }
        if self.session.max_handshakes == 0 || self.session.max_handshakes_per_address == 0 {
            add(
                "session".to_owned(),
                "maxHandshakes and maxHandshakesPerAddress must be at least 1",
            );
        }
        for (index, (name, cluster)) in self.clusters.iter().enumerate() {
            let key = |below: &str| format!("clusters.{name}.{below}");
            if !is_cluster_name(name) {
                add(
                    format!("clusters.{name}"),
                    "must be named by letters, digits, '-', '_' and '.', and begin with a letter or digit",
                );
            }
            for (below, message) in cluster.problems() {
                add(key(below), message);
            }
            let authorities = self
                .listen
                .tls
                .as_ref()
                .and_then(|tls| tls.client_ca_file.as_ref());
            if cluster.certificate.is_some() && authorities.is_none() {
                add(key("certificate"), "wants listen.tls.clientCaFile");
            }
            for (other_name, other) in self.clusters.iter().take(index) {
                for (below, shared) in cluster.clashes(other) {
                    add(key(below), &format!("{shared} clusters.{other_name}"));
                }
            }
        }
        for (name, admin) in &self.flyte_admins {
            if let Err(error) = admin.check() {
                add(format!("flyteAdmins.{name}"), &error.to_string());
            }
        }
        for (name, source) in &self.sources {
            for (key, message) in source.problems() {
                add(format!("sources.{name}.{key}"), message);
            }
        }
        for (name, tenant) in &self.tenants {
            let key = |field: &str| format!("tenants.{name}.{field}");
            match (self.flyte_admins.get(&tenant.flyte_admin), &tenant.auth) {
                (None, _) => add(
                    key("flyteAdmin"),
                    &format!("there is no flyteAdmins.{}", tenant.flyte_admin),
                ),
                (Some(admin), Some(auth)) => {
                    if let Err(error) = admin.called_as(auth).check() {
                        add(key("auth"), &error.to_string());
                    }
                }
                (Some(_), None) => {}
            }
            for source in tenant.sources.iter().chain(&tenant.default_source) {
                match self.sources.get(source) {
                    None => add(key("sources"), &format!("there is no sources.{source}")),
                    Some(SourceConfig::Oci(_)) => {}
                    Some(_) if tenant.signatures.is_none() => {}
                    Some(_) => add(
                        key("signatures"),
                        &format!(
                            "sources.{source} is no registry, and only registries keep signatures"
                        ),
                    ),
                }
            }
            if let Some(problem) = tenant.namespace_selector.problem() {
                add(key("namespaceSelector"), &problem);
            }
            if let Some(default) = &tenant.default_source
                && !tenant.sources.contains(default)
            {
                add(key("defaultSource"), "must be one of the tenant's sources");
            }
            for cluster in &tenant.clusters {
                let known = self.clusters.keys().any(|name| cluster.matches(name));
                if !known {
                    add(
                        key("clusters"),
                        &format!("{cluster} matches none of clusters"),
                    );
                }
            }
        }
        problems
    }

    /// What it may say, and hardly means.
    pub fn warnings(&self) -> Vec<String> {
        let clusters: Vec<&str> = self.clusters.keys().map(String::as_str).collect();
        Tenancy::new(self.tenants.clone()).warnings(&clusters)
    }
}

/// It is the name of a file below `stateDir`, too.
fn is_cluster_name(name: &str) -> bool {
    let fine = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
    let first = name.bytes().next();
    first.is_some_and(|it| it.is_ascii_alphanumeric())
        && name.len() <= 128
        && name.bytes().all(fine)
}

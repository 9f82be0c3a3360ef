//! `check-config`: whether a configuration can be used, and what its policy comes to.

use std::{fmt::Display, path::PathBuf};

use super::output::{plain, print};
use crate::{config, tenancy::Tenant};

pub(super) fn run(files: &[PathBuf]) -> anyhow::Result<()> {
    let config = config::load(files)?;
    let mut lines = vec![format!(
        "ok: {} clusters, {} tenants, {} sources, {} FlyteAdmins",
        config.clusters.len(),
        config.tenants.len(),
        config.sources.len(),
        config.flyte_admins.len()
    )];
    for (name, tenant) in &config.tenants {
        lines.push(format!("\ntenant {name}"));
        lines.extend(told(tenant).into_iter().map(|line| format!("  {line}")));
    }
    let warnings = config.warnings();
    if !warnings.is_empty() {
        lines.push(String::new());
        lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    }
    Ok(print(&plain(&lines.join("\n")))?)
}

/// From where a tenant may register what to where, in a few lines.
fn told(tenant: &Tenant) -> Vec<String> {
    let selector = tenant.namespace_selector.to_string();
    let labelled = match selector.as_str() {
        "" => String::new(),
        selector => format!(" labelled {selector}"),
    };
    let mut lines = vec![
        format!(
            "namespaces {}{labelled} of clusters {}",
            listed(&tenant.namespaces),
            listed(&tenant.clusters)
        ),
        format!(
            "may register into projects {} and domains {} of {}",
            listed(&tenant.projects),
            listed(&tenant.domains),
            tenant.flyte_admin
        ),
        format!("packages from {}", packages(tenant)),
        format!("with images {}", listed(&tenant.images)),
    ];
    for (what, globs) in [
        ("service accounts", &tenant.service_accounts),
        ("IAM roles", &tenant.iam_roles),
        ("raw output below", &tenant.raw_output_data_prefixes),
        ("paths of nodes", &tenant.host_paths),
    ] {
        if !globs.is_empty() {
            lines.push(format!("with {what} {}", listed(globs)));
        }
    }
    for (allowed, what) in [
        (tenant.privileged, "with privileged containers"),
        (tenant.host_namespaces, "with what is the node's"),
        (tenant.activate_launch_plans, "may activate launch plans"),
        (tenant.create_projects, "may have missing projects created"),
    ] {
        if allowed {
            lines.push(what.to_owned());
        }
    }
    lines
}

fn packages(tenant: &Tenant) -> String {
    let mut told = listed(&tenant.sources);
    if let Some(prefixes) = &tenant.package_prefixes {
        told.push_str(", below ");
        told.push_str(&listed(prefixes));
    }
    if tenant.require_digest {
        told.push_str(", pinned by a digest");
    }
    if tenant.signatures.is_some() {
        told.push_str(", signed");
    }
    told
}

fn listed<T: Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "(none)".to_owned();
    }
    let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

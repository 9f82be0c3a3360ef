//! What a tenant may ask for beyond registration.

use std::fmt;

use super::{Glob, Tenancy, any};

/// What a resource asks for beyond registration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// The Kubernetes service account of its launch plans.
    pub service_account: Option<&'a str>,
    /// Their IAM role.
    pub iam_role: Option<&'a str>,
    /// Where their raw output goes.
    pub raw_output_data_prefix: Option<&'a str>,
    /// Launch plans are to be activated.
    pub activate: bool,
}

/// An extra that the tenant may not have. Displays what to say after "namespace x".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAllowed {
    /// This service account.
    ServiceAccount(String),
    /// This IAM role.
    IamRole(String),
    /// This prefix.
    RawOutputDataPrefix(String),
    /// Activation.
    Activate,
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceAccount(name) => write!(f, "may not use the service account {name}"),
            Self::IamRole(name) => write!(f, "may not use the IAM role {name}"),
            Self::RawOutputDataPrefix(prefix) => write!(f, "may not put raw output into {prefix}"),
            Self::Activate => f.write_str("may not activate launch plans"),
        }
    }
}

impl Tenancy {
    /// Whether `tenant` may have `extras`. A tenant that is not there may have none.
    pub fn permit(&self, tenant: &str, extras: Extras<'_>) -> Result<(), NotAllowed> {
        let tenant = self.tenants.get(tenant);
        let refused = |wanted: Option<&str>, globs: Option<&Vec<Glob>>| {
            wanted
                .filter(|wanted| !globs.is_some_and(|globs| any(globs, wanted)))
                .map(str::to_owned)
        };
        if let Some(name) = refused(
            extras.service_account,
            tenant.map(|tenant| &tenant.service_accounts),
        ) {
            return Err(NotAllowed::ServiceAccount(name));
        }
        if let Some(name) = refused(extras.iam_role, tenant.map(|tenant| &tenant.iam_roles)) {
            return Err(NotAllowed::IamRole(name));
        }
        let prefixes = tenant.map(|tenant| &tenant.raw_output_data_prefixes);
        if let Some(prefix) = refused(extras.raw_output_data_prefix, prefixes) {
            return Err(NotAllowed::RawOutputDataPrefix(prefix));
        }
        if let Some(prefix) = extras.raw_output_data_prefix
            && leads_elsewhere(prefix)
        {
            return Err(NotAllowed::RawOutputDataPrefix(prefix.to_owned()));
        }
        if extras.activate && !tenant.is_some_and(|tenant| tenant.activate_launch_plans) {
            return Err(NotAllowed::Activate);
        }
        Ok(())
    }
}

/// Whether a prefix may mean another place than its text says, so that a glob that matches it
/// proves nothing: FlyteAdmin reads such locations as URLs.
fn leads_elsewhere(prefix: &str) -> bool {
    prefix.contains(['%', '?', '#', '\\'])
        || prefix.split('/').any(|part| part == "." || part == "..")
}

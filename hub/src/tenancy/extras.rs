//! What a tenant may ask for beyond registration.

use super::{Denial, Glob, Tenancy, any};

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

impl Tenancy {
    /// Whether `namespace` may have `extras` under `tenant`. A tenant that is not there allows none.
    pub fn permit(&self, tenant: &str, namespace: &str, extras: Extras<'_>) -> Result<(), Denial> {
        let known = self.tenants.get(tenant);
        let denied = |field, what: &str| Denial {
            rule: format!("tenants.{tenant}.{field}"),
            message: format!("namespace {namespace} may not {what}"),
        };
        let allowed =
            |wanted: &str, globs: Option<&Vec<Glob>>| globs.is_some_and(|globs| any(globs, wanted));
        if let Some(name) = extras.service_account
            && !allowed(name, known.map(|tenant| &tenant.service_accounts))
        {
            let what = format!("use the service account {name}");
            return Err(denied("serviceAccounts", &what));
        }
        if let Some(name) = extras.iam_role
            && !allowed(name, known.map(|tenant| &tenant.iam_roles))
        {
            return Err(denied("iamRoles", &format!("use the IAM role {name}")));
        }
        if let Some(prefix) = extras.raw_output_data_prefix
            && (leads_elsewhere(prefix)
                || !allowed(prefix, known.map(|tenant| &tenant.raw_output_data_prefixes)))
        {
            let what = format!("put raw output into {prefix}");
            return Err(denied("rawOutputDataPrefixes", &what));
        }
        if extras.activate && !known.is_some_and(|tenant| tenant.activate_launch_plans) {
            return Err(denied("activateLaunchPlans", "activate launch plans"));
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

//! What packages and launch plans of a tenant may have in them.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Glob, Tenant};

/// Part of every fingerprint: another value makes all that is registered be checked again, as is
/// due when more places of a package are looked at than before.
const VERSION: u32 = 1;

/// See the module. By default, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// The key of the configuration that they come from.
    #[serde(skip)]
    pub(super) rule: String,
    /// The container images.
    pub(super) images: Vec<Glob>,
    /// The Kubernetes service accounts.
    pub(super) service_accounts: Vec<Glob>,
    /// The IAM roles.
    pub(super) iam_roles: Vec<Glob>,
    /// Where raw output may go.
    pub(super) raw_output_data_prefixes: Vec<Glob>,
    /// Containers may be as good as root on their node.
    pub(super) privileged: bool,
    /// Pods may share what is their node's.
    pub(super) host_namespaces: bool,
    /// Paths of the node that may be mounted.
    pub(super) host_paths: Vec<Glob>,
    /// Launch plans may be activated. Asked at each judgement, and so in no fingerprint.
    #[serde(skip)]
    pub(super) activate: bool,
}

impl Terms {
    pub(super) fn of(name: &str, tenant: &Tenant) -> Self {
        Self {
            rule: format!("tenants.{name}"),
            images: tenant.images.clone(),
            service_accounts: tenant.service_accounts.clone(),
            iam_roles: tenant.iam_roles.clone(),
            raw_output_data_prefixes: tenant.raw_output_data_prefixes.clone(),
            privileged: tenant.privileged,
            host_namespaces: tenant.host_namespaces,
            host_paths: tenant.host_paths.clone(),
            activate: tenant.activate_launch_plans,
        }
    }

    /// Names these terms, together with `more` that was demanded of the package: what was checked
    /// under the same name need not be checked again.
    pub fn fingerprint(&self, more: &impl Serialize) -> String {
        // Plain values are always JSON.
        let json = serde_json::to_vec(&(VERSION, self, more)).unwrap_or_default();
        hex::encode(&Sha256::digest(json)[..16])
    }
}

/// Whether a prefix or a path may mean another place than its text says, so that a glob that
/// matches it proves nothing: FlyteAdmin reads prefixes as URLs.
pub(super) fn leads_elsewhere(path: &str) -> bool {
    path.contains(['%', '?', '#', '\\']) || path.split('/').any(|part| part == "." || part == "..")
}

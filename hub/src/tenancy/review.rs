//! Whether the content of a package is within a tenant's terms.

use std::collections::BTreeSet;

use flyte_registration_crd::bounded;

use super::{Denial, Glob, Terms, any, terms::leads_elsewhere};
use crate::package::{Claim, ClaimKind};

/// Most claims that one message names.
const NAMED: usize = 5;
/// Longest text of one of them, in bytes: names and values are the package's.
const CLAIM_MAX: usize = 300;

impl Terms {
    /// Whether a package may have all of `claims`.
    pub fn review(&self, claims: &[Claim]) -> Result<(), Denial> {
        let refused: Vec<&Claim> = claims.iter().filter(|claim| !self.allows(claim)).collect();
        let Some(first) = refused.first() else {
            return Ok(());
        };
        // One kind at a time, as each is another rule, and each value once.
        let mut values = BTreeSet::new();
        let distinct = refused
            .iter()
            .filter(|claim| claim.kind == first.kind && values.insert(&claim.value));
        let told: Vec<String> = distinct.map(|claim| told(claim)).collect();
        let named = told.iter().take(NAMED).map(String::as_str);
        let named = named.collect::<Vec<_>>().join("; ");
        let more = match told.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let message = format!("the tenant may not use {}: {named}{more}", what(first.kind));
        Err(Denial {
            rule: format!("{}.{}", self.rule, field(first.kind)),
            message,
        })
    }

    fn allows(&self, claim: &Claim) -> bool {
        let value = &claim.value;
        let place = |globs: &[Glob]| any(globs, value) && !leads_elsewhere(value);
        match claim.kind {
            ClaimKind::Image => any(&self.images, value),
            ClaimKind::ServiceAccount => any(&self.service_accounts, value),
            ClaimKind::IamRole => any(&self.iam_roles, value),
            ClaimKind::RawOutputDataPrefix => place(&self.raw_output_data_prefixes),
            ClaimKind::HostPath => place(&self.host_paths),
            ClaimKind::Privileged => self.privileged,
            ClaimKind::HostNamespace => self.host_namespaces,
        }
    }
}

fn told(claim: &Claim) -> String {
    let text = bounded(&claim.to_string(), CLAIM_MAX);
    bounded(&text.escape_debug().to_string(), CLAIM_MAX)
}

/// The key of the configuration that allows it.
fn field(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Image => "images",
        ClaimKind::ServiceAccount => "serviceAccounts",
        ClaimKind::IamRole => "iamRoles",
        ClaimKind::RawOutputDataPrefix => "rawOutputDataPrefixes",
        ClaimKind::Privileged => "privileged",
        ClaimKind::HostNamespace => "hostNamespaces",
        ClaimKind::HostPath => "hostPaths",
    }
}

/// The everyday word for a kind of claim.
fn what(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Image => "this image",
        ClaimKind::ServiceAccount => "this service account",
        ClaimKind::IamRole => "this IAM role",
        ClaimKind::RawOutputDataPrefix => "this place for raw output",
        ClaimKind::Privileged => "privileged containers",
        ClaimKind::HostNamespace => "what is the node's",
        ClaimKind::HostPath => "this path of the node",
    }
}

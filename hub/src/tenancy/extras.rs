//! What a spec may ask for beyond registration.

use super::{Denial, Glob, Grant, Terms, any, terms::leads_elsewhere};

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

impl Terms {
    /// Whether `namespace` may have `extras`.
    pub fn permit(&self, namespace: &str, extras: Extras<'_>) -> Result<(), Denial> {
        let denied = |field, what: &str| Denial {
            rule: format!("{}.{field}", self.rule),
            message: format!("namespace {namespace} may not {what}"),
        };
        let refused =
            |wanted: Option<&str>, globs: &[Glob]| wanted.is_some_and(|wanted| !any(globs, wanted));
        let Extras {
            service_account,
            iam_role,
            raw_output_data_prefix,
            activate,
        } = extras;
        if refused(service_account, &self.service_accounts) {
            let what = format!(
                "use the service account {}",
                service_account.unwrap_or_default()
            );
            return Err(denied("serviceAccounts", &what));
        }
        if refused(iam_role, &self.iam_roles) {
            let what = format!("use the IAM role {}", iam_role.unwrap_or_default());
            return Err(denied("iamRoles", &what));
        }
        if refused(raw_output_data_prefix, &self.raw_output_data_prefixes)
            || raw_output_data_prefix.is_some_and(leads_elsewhere)
        {
            let prefix = raw_output_data_prefix.unwrap_or_default();
            let what = format!("put raw output into {prefix}");
            return Err(denied("rawOutputDataPrefixes", &what));
        }
        if activate && !self.activate {
            return Err(denied("activateLaunchPlans", "activate launch plans"));
        }
        Ok(())
    }
}

impl Terms {
    /// Whether packages of `namespace` may have this image.
    pub fn permit_image(&self, namespace: &str, image: &str) -> Result<(), Denial> {
        if any(&self.images, image) {
            return Ok(());
        }
        Err(Denial {
            rule: format!("{}.images", self.rule),
            message: format!("namespace {namespace} may not use the image {image}"),
        })
    }
}

impl Grant {
    /// Whether the package at `path` below its source may be registered, pinned by a digest or not.
    pub fn permit(&self, path: &str, pinned: bool) -> Result<(), Denial> {
        let denied = |field, message| Denial {
            rule: format!("{}.{field}", self.rule),
            message,
        };
        if let Some(prefixes) = &self.package_prefixes
            && !prefixes.iter().any(|prefix| prefix.holds(path))
        {
            let message = format!("the tenant may not register the package {path} of its source");
            return Err(denied("packagePrefixes", message));
        }
        if self.require_digest && !pinned {
            let message =
                "the package must be pinned: set spec.digest, or a digest in workflowPackageUri";
            return Err(denied("requireDigest", message.to_owned()));
        }
        Ok(())
    }
}

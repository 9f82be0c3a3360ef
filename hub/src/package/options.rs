//! What launch plans get that the package does not say.

use flyte_registration_crd::EntityType;
use flyte_registration_proto::flyteidl::{admin, core};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::{
    PackageError, Plan, Problem, What,
    message::{decode, field_mut},
};

/// What the launch plans of a plan run as, and where they put their output: flytectl's
/// `k8sServiceAccount`, `assumableIamRole` and `outputLocationPrefix`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Options {
    /// The Kubernetes service account.
    pub service_account: Option<String>,
    /// The IAM role.
    pub iam_role: Option<String>,
    /// Where raw output goes, as `s3://bucket/prefix`.
    pub raw_output_data_prefix: Option<String>,
}

impl Plan {
    /// Puts `options` into all its launch plans. As flytectl v1.16.8 does, an account or a
    /// role replaces the whole of `auth_role` and `security_context`, secrets too.
    pub fn apply(&mut self, options: &Options) -> Result<(), PackageError> {
        let replacements = options.replacements();
        if replacements.is_empty() {
            return Ok(());
        }
        let kind = EntityType::LaunchPlan;
        for planned in &mut self.entities {
            if planned.kind == kind {
                let replaced = replace(&planned.request, &replacements);
                planned.request = replaced.map_err(|error| {
                    PackageError::Problems(vec![Problem {
                        file: planned.id.name.clone(),
                        what: What::Undecodable { kind, error },
                    }])
                })?;
            }
        }
        Ok(())
    }
}

/// A field of `LaunchPlanSpec`, the type of its message, and the message.
type Replacement = (&'static str, &'static str, Vec<u8>);

impl Options {
    fn replacements(&self) -> Vec<Replacement> {
        let mut replacements = Vec::new();
        if self.service_account.is_some() || self.iam_role.is_some() {
            let account = self.service_account.clone().unwrap_or_default();
            let role = self.iam_role.clone().unwrap_or_default();
            let auth_role = admin::AuthRole {
                assumable_iam_role: role.clone(),
                kubernetes_service_account: account.clone(),
            };
            let context = core::SecurityContext {
                run_as: Some(core::Identity {
                    iam_role: role,
                    k8s_service_account: account,
                    ..core::Identity::default()
                }),
                ..core::SecurityContext::default()
            };
            replacements.extend([
                (
                    "auth_role",
                    "flyteidl.admin.AuthRole",
                    auth_role.encode_to_vec(),
                ),
                (
                    "security_context",
                    "flyteidl.core.SecurityContext",
                    context.encode_to_vec(),
                ),
            ]);
        }
        if let Some(prefix) = &self.raw_output_data_prefix {
            let config = admin::RawOutputDataConfig {
                output_location_prefix: prefix.clone(),
            };
            replacements.push((
                "raw_output_data_config",
                "flyteidl.admin.RawOutputDataConfig",
                config.encode_to_vec(),
            ));
        }
        replacements
    }
}

/// `request` with these fields of its spec, all else as it is.
fn replace(request: &[u8], replacements: &[Replacement]) -> Result<bytes::Bytes, String> {
    let mut request: DynamicMessage = decode("flyteidl.admin.LaunchPlanCreateRequest", request)?;
    if let Some(spec) = field_mut(&mut request, "spec") {
        for (field, kind, bytes) in replacements {
            spec.set_field_by_name(field, Value::Message(decode(kind, bytes)?));
        }
    }
    Ok(request.encode_to_vec().into())
}

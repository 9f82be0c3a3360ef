//! `FlyteRegistration.spec`.

#[cfg(feature = "schema")]
use kube::core::Rule as Cel;
use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
use crate::rules;
#[cfg(feature = "schema")]
use crate::rules::cel;

mod check;
mod read;
pub use check::SpecProblem;

/// A package of Flyte workflows that should be registered in FlyteAdmin.
// Clippy takes the keys of kube's columns for attributes that are given twice.
#[cfg_attr(feature = "schema", allow(clippy::duplicated_attributes))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(kube::CustomResource, kube::KubeSchema))]
#[cfg_attr(
    feature = "schema",
    kube(
        group = "flyte.backend",
        version = "v1",
        kind = "FlyteRegistration",
        plural = "flyteregistrations",
        shortname = "flyreg",
        category = "flyte",
        namespaced,
        status = "crate::FlyteRegistrationStatus",
        doc = "A package of Flyte workflows, made by `pyflyte package`, that should be registered in FlyteAdmin.",
        printcolumn(
            name = "Project",
            type_ = "string",
            json_path = ".spec.workflowProject"
        ),
        printcolumn(name = "Domain", type_ = "string", json_path = ".spec.workflowDomain"),
        printcolumn(
            name = "Version",
            type_ = "string",
            json_path = ".spec.workflowVersion"
        ),
        printcolumn(
            name = "Ready",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Ready\")].status"
        ),
        printcolumn(
            name = "Reason",
            type_ = "string",
            json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
        ),
        printcolumn(
            name = "Workflows",
            type_ = "integer",
            json_path = ".status.counts.workflows"
        ),
        printcolumn(
            name = "Age",
            type_ = "date",
            json_path = ".metadata.creationTimestamp"
        ),
        printcolumn(
            name = "Digest",
            type_ = "string",
            priority = 1,
            json_path = ".status.package.digest"
        ),
        printcolumn(
            name = "Package",
            type_ = "string",
            priority = 1,
            json_path = ".spec.workflowPackageUri"
        ),
    )
)]
#[cfg_attr(
    feature = "schema",
    x_kube(validation = Cel::new(rules::DIGESTS_AGREE_CEL).message(rules::DIGESTS_AGREE).field_path(".digest"))
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlyteRegistrationSpec {
    /// The Flyte project to register in.
    #[cfg_attr(feature = "schema", schemars(length(max = rules::ID.max_length)), x_kube(validation = cel(&rules::ID)))]
    pub workflow_project: String,

    /// The Flyte domain to register in, for example `development`.
    #[cfg_attr(feature = "schema", schemars(length(max = rules::ID.max_length)), x_kube(validation = cel(&rules::ID)))]
    pub workflow_domain: String,

    /// The version under which everything is registered. It is also the tag, or a part of the
    /// file name, of a package that `workflowPackageUri` names without one.
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = rules::WORKFLOW_VERSION.max_length)),
        x_kube(validation = cel(&rules::WORKFLOW_VERSION))
    )]
    pub workflow_version: String,

    /// Where the package is: a path below the tenant's default source, or
    /// `oci://host/repository[:tag][@sha256:…]`, `artifactory://repository/path`, `https://host/path`.
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = rules::PACKAGE_URI.max_length)),
        x_kube(validation = cel(&rules::PACKAGE_URI))
    )]
    pub workflow_package_uri: String,

    /// Registers only this workflow, with all that it depends on and its launch plans: its full
    /// name, or the last dotted part of it, with `-` and `_` alike. Left out: the whole package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = rules::ENTITY_NAME.max_length)),
        x_kube(validation = cel(&rules::ENTITY_NAME))
    )]
    pub workflow_name: Option<String>,

    /// The digest that the package must have: of the manifest in an OCI registry, else the sha256
    /// of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = rules::DIGEST.max_length)),
        x_kube(validation = cel(&rules::DIGEST))
    )]
    pub digest: Option<String>,

    /// What happens to the launch plans once they are registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_plans: Option<LaunchPlans>,

    /// The Kubernetes service account that the launch plans run as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = rules::SERVICE_ACCOUNT.max_length)),
        x_kube(validation = cel(&rules::SERVICE_ACCOUNT))
    )]
    pub service_account: Option<String>,

    /// The IAM role that the launch plans assume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = rules::IAM_ROLE.max_length)),
        x_kube(validation = cel(&rules::IAM_ROLE))
    )]
    pub iam_role: Option<String>,

    /// Where the launch plans put their raw output, for example `s3://bucket/prefix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = rules::RAW_OUTPUT_DATA_PREFIX.max_length)),
        x_kube(validation = cel(&rules::RAW_OUTPUT_DATA_PREFIX))
    )]
    pub raw_output_data_prefix: Option<String>,

    /// Stops all work on this resource. What is registered stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// Look again this often: whether the tag moved, and whether FlyteAdmin still has what was
    /// registered. Go notation, a minute or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = rules::INTERVAL.max_length)),
        x_kube(validation = Cel::new(rules::INTERVAL_MIN_CEL).message(rules::INTERVAL.message))
    )]
    pub interval: Option<String>,

    /// What happens to the launch plans of this version when the resource is deleted. Left out: `Orphan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// What happens to launch plans once they are registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(kube::KubeSchema))]
#[cfg_attr(
    feature = "schema",
    x_kube(validation = Cel::new(rules::NAMES_GO_WITH_NAMED_CEL).message(rules::NAMES_GO_WITH_NAMED))
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LaunchPlans {
    /// Which of them are activated. Left out: `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activate: Option<ActivateLaunchPlans>,

    /// The launch plans that `activate: Named` means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(max = rules::LAUNCH_PLAN_NAMES_MAX), inner(length(max = rules::ENTITY_NAME.max_length)))
    )]
    pub names: Vec<String>,
}

/// Which launch plans are activated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ActivateLaunchPlans {
    /// None of them, as flytectl does by default.
    #[default]
    None,
    /// Those with a schedule.
    Scheduled,
    /// All of them.
    All,
    /// Those that `names` lists.
    Named,
}

/// What a deletion of the resource does in FlyteAdmin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum DeletionPolicy {
    /// Nothing.
    #[default]
    Orphan,
    /// This version's launch plans are deactivated, where they still are active and no other
    /// known resource holds them.
    Deactivate,
}

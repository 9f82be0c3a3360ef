//! The `FlyteRegistration` resource: its spec, its status, the reasons that tenants
//! read, and the rules that a spec must keep.
//!
//! Plain serde types, so that the hub uses them without compiling kube. The feature
//! `schema` adds kube's derive and the OpenAPI schema with its CEL rules; both it and
//! [`FlyteRegistrationSpec::check`] are made from the one table in [`rules`].

pub mod canonical;
mod condition;
mod duration;
mod reason;
pub mod rules;
mod spec;
mod status;

pub use condition::{Condition, ConditionStatus, ConditionType};
pub use duration::{DurationError, parse_go_duration};
pub use reason::{Nature, Reason};
pub use spec::{
    ActivateLaunchPlans, DeletionPolicy, FlyteRegistrationSpec, LaunchPlans, SpecProblem,
};
pub use status::{
    Counts, ENTITIES_MAX, Entity, EntityAction, EntityType, FlyteRegistrationStatus, MESSAGE_MAX,
    Package, Registration, bounded,
};

#[cfg(feature = "schema")]
pub use spec::FlyteRegistration;

/// API group of our resources.
pub const GROUP: &str = "flyte.backend";
/// API version of our resources.
pub const VERSION: &str = "v1";
/// Kind of the registration resource.
pub const KIND: &str = "FlyteRegistration";
/// Plural of the registration resource, as in its URL.
pub const PLURAL: &str = "flyteregistrations";
/// The field manager of everything that an agent writes.
pub const FIELD_MANAGER: &str = "flyte-registration-agent";
/// The finalizer of resources whose deletion the hub has work with.
pub const FINALIZER: &str = "flyte.backend/registration";
/// Annotation that asks for another run whenever its value changes
/// (Flux's `reconcile.fluxcd.io/requestedAt` is the convention behind it).
pub const RECONCILE_REQUESTED_AT: &str = "flyte.backend/reconcile-requested-at";

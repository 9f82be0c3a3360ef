//! What there is to do.

use std::sync::Arc;

use super::Origin;
use crate::{
    package::{Activation, Options, Selection, Target},
    source::PackageRef,
    tenancy::Terms,
};

/// Names one piece of work. What becomes of a ticket that is no longer current is void.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// Work to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// To report by.
    pub ticket: Ticket,
    /// For whom.
    pub origin: Origin,
    /// What.
    pub order: Arc<Order>,
}

/// A registration to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The tenant that may.
    pub tenant: String,
    /// The key of the configuration that says so.
    pub rule: String,
    /// The FlyteAdmin to register in.
    pub flyte_admin: String,
    /// Its epoch.
    pub epoch: String,
    /// The package.
    pub package: PackageRef,
    /// Project, domain and version.
    pub target: Target,
    /// Which part of the package.
    pub selection: Selection,
    /// What its launch plans get that the package does not say.
    pub options: Options,
    /// Which of them are to be activated.
    pub activation: Activation,
    /// Whether the project may be created if it is missing.
    pub create_project: bool,
    /// What the package may have in it.
    pub terms: Arc<Terms>,
    /// Names the terms, and whose signatures are demanded: what was checked under the same name
    /// need not be checked again.
    pub fingerprint: String,
    /// How many turns the tenant has for one of the others.
    pub weight: u32,
    /// Whether FlyteAdmin is called with the tenant's own credentials.
    pub own_credentials: bool,
    /// Why now.
    pub occasion: Occasion,
}

impl Order {
    /// The same on another occasion.
    pub(super) fn on(self, occasion: Occasion) -> Self {
        Self { occasion, ..self }
    }
}

/// Why a registration is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// The resource is new, or was changed.
    #[default]
    Change,
    /// Somebody asked for it: what this hub did before does not count.
    Request,
    /// Its interval has passed since it was registered. Nothing is activated again.
    Look,
}

//! What makes registrations in one FlyteAdmin identical.

use flyte_registration_crd::Package;

use crate::{
    fleet::{Occasion, Order},
    package,
};

/// Registrations that are equal are done once, for all that ask for them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Registration {
    epoch: String,
    target: package::Target,
    selection: package::Selection,
    options: package::Options,
    activation: package::Activation,
    create_project: bool,
    digest: String,
    archive_digest: Option<String>,
    /// The tenant, where FlyteAdmin is called as that.
    caller: Option<String>,
    /// `Order::fingerprint`: the same package may be allowed by one tenant and not by another.
    terms: String,
    /// Which activates nothing.
    is_look: bool,
}

impl Registration {
    /// That of `package`, as `order` asks for it.
    pub fn of(order: &Order, package: &Package) -> Self {
        Self {
            epoch: order.epoch.clone(),
            target: order.target.clone(),
            selection: order.selection.clone(),
            options: order.options.clone(),
            activation: order.activation.clone(),
            create_project: order.create_project,
            digest: package.digest.clone(),
            archive_digest: package.archive_digest.clone(),
            caller: order.own_credentials.then(|| order.tenant.clone()),
            terms: order.fingerprint.clone(),
            is_look: order.occasion == Occasion::Look,
        }
    }
}

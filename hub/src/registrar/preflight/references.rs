//! What a plan refers to and does not hold.

use std::fmt::Write as _;

use flyte_registration_crd::Reason;
use futures::{StreamExt as _, stream};

use super::{Look, unavailable};
use crate::{
    package::{ExternalReference, Kind},
    registrar::{
        Trouble,
        held::{Held, held},
    },
};

/// Most references that are looked up. Whether further ones are there, is told by the
/// Create of what refers to them.
const LOOKED_UP_MAX: usize = 1000;
/// Most missing references that the message names.
const NAMED: usize = 5;

impl Look<'_> {
    /// Looks whether all that the plan refers to is there. Where FlyteAdmin does not say,
    /// it is taken to be there, and the Create of what refers to it decides.
    pub(super) async fn references(&self) -> Result<(), Trouble> {
        let external = &self.plan.external;
        let looks = external
            .iter()
            .take(LOOKED_UP_MAX)
            .map(|reference| async move {
                let ExternalReference { kind, id } = reference;
                let answer = held(self.admin, self.patience, *kind, id).await;
                (reference, answer)
            });
        let looks: Vec<_> = looks.collect();
        let mut answers = stream::iter(looks).buffered(self.admin.load().limit);
        let mut missing = Vec::new();
        while let Some((reference, answer)) = answers.next().await {
            match answer {
                Ok(Held::Absent) => missing.push(reference),
                Ok(Held::Entity(_) | Held::Unknown) => {}
                Err(status) => return Err(unavailable(&status)),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Trouble {
            reason: Reason::ReferenceNotFound,
            message: told(&missing),
        })
    }
}

fn told(missing: &[&ExternalReference]) -> String {
    let mut message = String::from("the package refers to what is not registered: ");
    for (index, reference) in missing.iter().take(NAMED).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(message, "{comma}{} {}", Kind(reference.kind), reference.id);
    }
    if let Some(more @ 1..) = missing.len().checked_sub(NAMED) {
        let _ = write!(message, " and {more} more");
    }
    message
}

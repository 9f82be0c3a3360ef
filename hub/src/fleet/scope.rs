//! Which namespaces an agent speaks for.

use std::collections::BTreeSet;

use flyte_registration_proto::hub::v1 as proto;

use super::{Key, Malformed, Up};

/// Most namespaces of a scope.
const NAMESPACES_MAX: usize = 10_000;
/// Kubernetes' limit of the names of namespaces.
const NAME_MAX: usize = 63;

/// What an agent declares to watch, and may speak of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// `None`: all.
    namespaces: Option<BTreeSet<String>>,
}

impl Scope {
    /// Reads that of a Hello.
    pub fn from_proto(scope: Option<proto::Scope>) -> Result<Self, Malformed> {
        let namespaces = scope.unwrap_or_default().namespaces;
        let named = |name: &String| !name.is_empty() && name.len() <= NAME_MAX;
        if namespaces.len() > NAMESPACES_MAX || !namespaces.iter().all(named) {
            return Err(Malformed("a scope over the limits"));
        }
        let namespaces = (!namespaces.is_empty()).then(|| namespaces.into_iter().collect());
        Ok(Self { namespaces })
    }

    /// Whether all that `up` is about is in it.
    pub(super) fn covers(&self, up: &Up) -> bool {
        let Some(namespaces) = &self.namespaces else {
            return true;
        };
        let has = |key: &Key| namespaces.contains(&key.namespace);
        match up {
            Up::Heartbeat => true,
            Up::Snapshot { objects, .. } => objects.iter().all(|(key, _)| has(key)),
            Up::Changed(key, _) | Up::Gone(key, _) | Up::Written { key, .. } => has(key),
        }
    }
}

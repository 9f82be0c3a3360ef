//! Why a condition is as it is: the closed list that tenants and their tools can rely on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What follows from a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// The registration is done: `Ready` is true.
    Done,
    /// It is on its way: `Reconciling` is true.
    Progressing,
    /// It failed and is tried again with backoff: `Reconciling` is true, `Ready` false.
    Retried,
    /// It failed for good, until resource or policy change: `Stalled` is true.
    Stalled,
    /// Nothing is wanted: all three are false.
    Idle,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $nature:ident,)+) => {
        /// The reasons of our conditions. `docs/conditions.md` explains each to tenants.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word that stands in the condition.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What follows from it.
            pub const fn nature(self) -> Nature {
                match self {
                    $(Self::$name => Nature::$nature,)+
                }
            }
        }
    };
}

reasons! {
    /// Everything that was asked for is registered.
    Registered => Done,
    /// `spec.suspend` is set.
    Suspended => Idle,
    /// The hub knows of the resource and will come to it.
    Queued => Progressing,
    /// The package is being looked up and downloaded.
    Fetching => Progressing,
    /// FlyteAdmin is being called.
    Registering => Progressing,
    /// A field of the spec breaks a rule.
    InvalidSpec => Stalled,
    /// No tenant of the hub's configuration allows this.
    Denied => Stalled,
    /// The package is not what `pyflyte package` makes.
    PackageInvalid => Stalled,
    /// The package, or a part of it, is over a limit.
    PackageTooLarge => Stalled,
    /// The content is not what its digest says.
    DigestMismatch => Stalled,
    /// The package carries no signature that the policy accepts.
    SignatureInvalid => Stalled,
    /// FlyteAdmin holds this version with other content.
    VersionConflict => Stalled,
    /// `spec.workflowName` names no workflow of the package.
    WorkflowNotFound => Stalled,
    /// FlyteAdmin refuses an entity.
    FlyteRejected => Stalled,
    /// The hub does not do this (yet).
    NotSupported => Stalled,
    /// The source holds no such package (yet).
    PackageNotFound => Retried,
    /// The source refuses the hub's credentials.
    SourceUnauthorized => Retried,
    /// The source cannot be reached, or fails.
    SourceUnavailable => Retried,
    /// The source asks to come back later.
    RateLimited => Retried,
    /// FlyteAdmin has no such project (yet), or it is archived.
    ProjectNotFound => Retried,
    /// FlyteAdmin has no such domain.
    DomainNotFound => Retried,
    /// Something that the package refers to is not registered (yet).
    ReferenceNotFound => Retried,
    /// FlyteAdmin cannot be reached, or fails.
    FlyteUnavailable => Retried,
    /// The agent has no connection to the hub.
    HubUnreachable => Retried,
    /// What happens could not be put on record, so it does not happen.
    AuditUnavailable => Retried,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_what_serde_writes() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }
}

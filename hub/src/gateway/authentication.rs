//! What became of a caller: the one place where that is told.

use std::net::SocketAddr;

use tracing::{info, warn};

use crate::{
    audit::{Arrival, Audit},
    identity::{How, Identity, Refusal, Refused},
    metrics::Metrics,
};

/// What became of a caller.
#[derive(Clone, Copy, Debug)]
pub enum Authentication<'a> {
    /// It is the agent of this cluster.
    Accepted {
        /// Which.
        cluster: &'a str,
        /// By what it is known.
        how: How,
    },
    /// It is not let in, or no longer.
    Refused {
        /// Why. The caller is not told.
        why: &'a Refusal,
        /// What it claims to be, which nobody has verified. Bounded, without control characters.
        claimed: Option<&'a str>,
    },
}

impl<'a> Authentication<'a> {
    /// How an authentication ended.
    pub fn of(authenticated: &'a Result<Identity, Refused>) -> Self {
        match authenticated {
            Ok(identity) => Self::Accepted {
                cluster: &identity.cluster,
                how: identity.how,
            },
            Err(Refused { why, claimed }) => Self::Refused {
                why,
                claimed: claimed.as_deref(),
            },
        }
    }

    /// Logs and counts it, and puts it on record.
    pub async fn tell(self, peer: Option<SocketAddr>, metrics: &Metrics, audit: &Audit) {
        let peer = peer.map(tracing::field::display);
        match self {
            Self::Accepted { cluster, how } => {
                info!(peer, cluster, how = how.as_str(), "an agent is known");
            }
            Self::Refused { why, claimed } => {
                metrics.session_refused(why.reason());
                let error = why as &dyn std::error::Error;
                warn!(peer, claimed, error, "a caller is not known");
            }
        }
        audit.arrived(self.arrival()).await;
    }

    fn arrival(self) -> Arrival<'a> {
        match self {
            Self::Accepted { cluster, how } => Arrival::Accepted {
                cluster,
                how: how.as_str(),
            },
            Self::Refused { why, claimed } => Arrival::Refused {
                why: why.reason(),
                claimed: claimed.unwrap_or_default(),
            },
        }
    }
}

//! Whether what a caller shows stands for a cluster: now, and again later.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;

use super::tls::Tls;
use crate::identity::{Identities, Identity, Lifetime, Presented, Refused};

/// The identities of now, and the authorities of certificates.
#[derive(Clone, Debug)]
pub(super) struct Door {
    identities: watch::Receiver<Arc<Identities>>,
    tls: Option<Arc<Tls>>,
    /// Longer than any session lasts: what expires later does not matter.
    horizon: Duration,
}

impl Door {
    pub fn new(
        identities: watch::Receiver<Arc<Identities>>,
        tls: Option<Arc<Tls>>,
        max_age: Duration,
    ) -> Self {
        Self {
            identities,
            tls,
            horizon: max_age * 2,
        }
    }

    /// Waits until the identities are others than when this was called last. `false` when nobody can
    /// change them any more.
    pub async fn changed(&mut self) -> bool {
        self.identities.changed().await.is_ok()
    }

    /// The identities of now.
    pub fn identities(&self) -> Arc<Identities> {
        Arc::clone(&self.identities.borrow())
    }

    /// Who it is. A certificate is verified again: its connection may be older than the authorities.
    pub async fn authenticate(&self, presented: &Presented) -> Result<Identity, Refused> {
        self.look(presented, self.horizon).await
    }

    /// Who it still is; how long its certificate is good was asked before. All sessions are looked at
    /// when something changes, so that this must cost little.
    pub async fn recognise(&self, presented: &Presented) -> Result<Identity, Refused> {
        self.look(presented, Duration::ZERO).await
    }

    async fn look(&self, presented: &Presented, horizon: Duration) -> Result<Identity, Refused> {
        let now = Timestamp::now();
        let certificate = match (&self.tls, &presented.certificates) {
            (Some(tls), Some(certificates)) => tls.verify(certificates, now, horizon)?,
            _ => None,
        };
        let mut identity = self.identities().authenticate(presented, now).await?;
        let both = identity.lifetime.into_iter().chain(certificate);
        identity.lifetime = both.min_by_key(|lifetime: &Lifetime| lifetime.expires);
        Ok(identity)
    }
}

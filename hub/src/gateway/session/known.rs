//! What let an agent in must still let it in.

use std::{future::pending, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::timeout;

use super::{End, Session};
use crate::gateway::Authentication;

/// How often it is looked at while nothing changes: keys and authorities may have been replaced.
const AGAIN: Duration = Duration::from_mins(1);

impl Session {
    /// Ends when what the agent showed no longer stands for its cluster.
    pub(super) async fn stay_known(&self, uid: &str) -> End {
        let mut identities = self.identities.clone();
        loop {
            if let Ok(Err(_)) = timeout(AGAIN, identities.changed()).await {
                // Nobody can change them any more: the hub is going down.
                return pending().await;
            }
            let known = Arc::clone(&identities.borrow_and_update());
            let authenticated = known.authenticate(&self.presented, Timestamp::now()).await;
            let cluster = &self.identity.cluster;
            let unchanged = match &authenticated {
                Ok(identity) => {
                    identity.cluster == *cluster && known.uid(cluster).is_none_or(|it| it == uid)
                }
                Err(refused) => refused.why.is_unknown(),
            };
            if unchanged {
                continue;
            }
            if authenticated.is_err() {
                Authentication::of(&authenticated)
                    .tell(self.peer, &self.metrics, &self.audit)
                    .await;
            }
            return End::Unknown;
        }
    }
}

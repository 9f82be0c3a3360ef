//! What let an agent in must still let it in.

use std::{future::pending, time::Duration};

use tokio::time::timeout;

use super::{End, Session};
use crate::gateway::Authentication;

/// How often it is looked at while nothing changes: keys and authorities may have been replaced.
const AGAIN: Duration = Duration::from_mins(1);

impl Session {
    /// Ends when what the agent showed no longer stands for its cluster.
    pub(super) async fn stay_known(&self, uid: &str) -> End {
        let mut door = self.door.clone();
        loop {
            if timeout(AGAIN, door.changed()).await == Ok(false) {
                // Nobody can change them any more: the hub is going down.
                return pending().await;
            }
            let known = door.identities();
            let authenticated = door.authenticate(&self.presented).await;
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
                    .tell(Some(self.peer.address), &self.metrics, &self.audit)
                    .await;
            }
            return End::Unknown;
        }
    }
}

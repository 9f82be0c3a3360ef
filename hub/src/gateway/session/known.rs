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
            let authenticated = door.recognise(&self.presented).await;
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
            return End::Unknown(authenticated.err());
        }
    }

    /// Tells that a session ended because the agent is not known any more. By then it is over: its
    /// end waits for no disk.
    pub(super) async fn put_on_record(self, end: End) {
        let End::Unknown(Some(refused)) = end else {
            return;
        };
        let Self {
            peer,
            metrics,
            audit,
            outgoing,
            place,
            ..
        } = self;
        // The stream ends with the one; another session may take the other.
        drop((outgoing, place));
        Authentication::of(&Err(refused))
            .tell(Some(peer.address), &metrics, &audit)
            .await;
    }
}

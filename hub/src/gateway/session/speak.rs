//! What the hub says in a session.

use std::time::{Duration, Instant};

use flyte_registration_proto::hub::v1::{HubMessage, refusal::Reason};
use tokio::time::timeout;
use tracing::warn;

use super::{End, Session};
use crate::{
    fleet::{Now, SessionId, handle::sleep_until},
    gateway::{tenure::Tenure, wire},
};

/// Statuses taken from the index at a time.
const BATCH: usize = 64;
/// How long an agent may take to leave when the hub is going down, and there may be no other to go to.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

impl Session {
    /// Tells the agent what it must be told, and that the hub is still there.
    pub(super) async fn speak(&self, id: SessionId) -> End {
        let cluster = &self.identity.cluster;
        let bell = self.fleet.bell(cluster);
        let tenure = Tenure::new(
            self.settings.max_age,
            self.identity.lifetime,
            Now::read(),
            rand::random(),
        );
        let mut draining: Option<Instant> = None;
        let mut hurried = false;
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let (told, next) = match self
                .fleet
                .with(|fleet, now| fleet.tell(cluster, id, BATCH, now))
            {
                Ok(told) => told,
                Err(refused) => return refused.into(),
            };
            let more = told.len() == BATCH;
            for told in told {
                if let Err(end) = self.send(wire::told(told)).await {
                    return end;
                }
            }
            if more {
                continue;
            }
            tokio::select! {
                () = rung => {}
                () = sleep_until(next) => {}
                () = tokio::time::sleep(self.settings.heartbeat) => {
                    if let Err(end) = self.send(wire::heartbeat()).await {
                        return end;
                    }
                }
                () = sleep_until(Some(draining.unwrap_or(tenure.drain))) => {
                    if draining.is_some() {
                        return End::Drained;
                    }
                    draining = Some(tenure.end);
                    if let Err(end) = self.send(wire::drain(tenure.why)).await {
                        return end;
                    }
                }
                () = self.drain.cancelled(), if !hurried => {
                    hurried = true;
                    draining = Some(Instant::now() + SHUTDOWN_GRACE);
                    if let Err(end) = self.send(wire::drain("the hub is going down")).await {
                        return end;
                    }
                }
            }
        }
    }

    pub(super) async fn send(&self, message: HubMessage) -> Result<(), End> {
        self.metrics.message_down();
        // An agent that does not read is as gone as one that does not write.
        match timeout(self.settings.gone, self.outgoing.send(Ok(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Left),
            Err(_) => Err(End::Silent),
        }
    }

    /// The last word, where there is one to say.
    pub(super) async fn part(&self, end: &End) {
        let last = match end {
            End::Refused { reason, message } => wire::refusal(*reason, message.clone()),
            End::Fleet(refused) => wire::refused(*refused),
            End::Unknown(_) => wire::refusal(
                Reason::Unauthenticated,
                "the hub does not know this agent any more".to_owned(),
            ),
            End::Left | End::Silent | End::Broken(_) | End::Drained => return,
        };
        if self.send(last).await.is_err() {
            warn!("the agent could not be told why");
        }
    }
}

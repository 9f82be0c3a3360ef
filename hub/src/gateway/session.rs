//! One session with one agent.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flyte_registration_proto::hub::{
    PROTOCOL_VERSIONS,
    v1::{AgentMessage, Hello, HubMessage, Limits, Welcome, agent_message::Kind, refusal::Reason},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::{Instrument as _, info, info_span, warn};
use uuid::Uuid;

use super::{MESSAGE_MAX, wire};
use crate::{
    config,
    fleet::{FleetHandle, Refused, SPEC_MAX, SessionId, Up, handle::sleep_until},
    metrics::Metrics,
};

/// Statuses taken from the index at a time.
const BATCH: usize = 64;
const CHUNK_MAX: u32 = 1024 * 1024;
/// How long an agent may take to leave an old session for a new one.
const DRAIN_GRACE: Duration = Duration::from_secs(30);
/// The same when the hub is going down, and there may be no other to go to.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);
/// Kubernetes' uids have 36 characters.
const CLUSTER_UID_MAX: usize = 128;

pub(super) struct Session {
    pub cluster: Arc<str>,
    pub fleet: FleetHandle,
    pub settings: config::Session,
    pub metrics: Arc<Metrics>,
    pub outgoing: mpsc::Sender<Result<HubMessage, Status>>,
    pub drain: CancellationToken,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the agent left")]
    Left,
    #[error("the agent was silent for too long")]
    Silent,
    #[error("the stream broke: {0}")]
    Broken(Status),
    #[error("refused: {message}")]
    Refused { reason: Reason, message: String },
    #[error(transparent)]
    Fleet(#[from] Refused),
    #[error("it was drained")]
    Drained,
}

impl Session {
    /// Runs the session to its end, which it logs.
    pub async fn run(self, mut incoming: Streaming<AgentMessage>) {
        let id = Uuid::new_v4();
        let span = info_span!("session", cluster = %self.cluster, session = %id);
        async {
            let end = match self.handshake(id, &mut incoming).await {
                Ok(()) => {
                    let end = tokio::select! {
                        end = self.listen(id, &mut incoming) => end,
                        end = self.speak(id) => end,
                    };
                    self.fleet.with(|fleet, _| fleet.close(&self.cluster, id));
                    end
                }
                Err(end) => {
                    self.metrics.session_refused();
                    end
                }
            };
            self.part(&end).await;
            info!("session ended: {end}");
        }
        .instrument(span)
        .await;
    }

    async fn handshake(
        &self,
        id: SessionId,
        incoming: &mut Streaming<AgentMessage>,
    ) -> Result<(), End> {
        let first = timeout(self.settings.hello_timeout, incoming.message())
            .await
            .map_err(|_| End::Silent)?;
        let first = first.map_err(End::Broken)?.ok_or(End::Left)?;
        let Some(Kind::Hello(hello)) = first.kind else {
            return Err(malformed("the first message must be Hello"));
        };
        if hello.cluster_uid.is_empty() || hello.cluster_uid.len() > CLUSTER_UID_MAX {
            return Err(malformed("Hello carries no cluster uid"));
        }
        let protocol = choose(&hello).ok_or_else(|| End::Refused {
            reason: Reason::Protocol,
            message: format!(
                "the agent speaks protocol {} to {}, the hub {PROTOCOL_VERSIONS:?}",
                hello.protocol_min, hello.protocol_max
            ),
        })?;
        self.fleet
            .with(|fleet, _| fleet.open(&self.cluster, &hello.cluster_uid, id))?;
        self.fleet
            .with(|fleet, now| fleet.greeted(&self.cluster, id, &hello.agent_version, now));
        self.metrics.session_opened();
        info!(agent_version = %hello.agent_version.escape_debug(), protocol, "session begins");
        let seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let welcome = Welcome {
            protocol,
            session: id.to_string(),
            heartbeat_seconds: seconds(self.settings.heartbeat),
            gone_seconds: seconds(self.settings.gone),
            limits: Some(Limits {
                max_message_bytes: u32::try_from(MESSAGE_MAX).unwrap_or(u32::MAX),
                max_chunk_bytes: CHUNK_MAX,
                max_spec_bytes: u32::try_from(SPEC_MAX).unwrap_or(u32::MAX),
            }),
        };
        self.send(wire::welcome(welcome)).await
    }

    /// Takes in what the agent says.
    async fn listen(&self, id: SessionId, incoming: &mut Streaming<AgentMessage>) -> End {
        loop {
            let message = match timeout(self.settings.gone, incoming.message()).await {
                Err(_) => return End::Silent,
                Ok(Err(status)) => return End::Broken(status),
                Ok(Ok(None)) => return End::Left,
                Ok(Ok(Some(message))) => message,
            };
            self.metrics.message_up();
            let up = match Up::from_proto(message) {
                Ok(up) => up,
                Err(error) => return malformed(&error.to_string()),
            };
            if let Err(refused) = self
                .fleet
                .with(|fleet, now| fleet.receive(&self.cluster, id, up, now))
            {
                return refused.into();
            }
        }
    }

    /// Tells the agent what it must be told, and that the hub is still there.
    async fn speak(&self, id: SessionId) -> End {
        let bell = self.fleet.bell(&self.cluster);
        let old = Instant::now() + self.settings.max_age.mul_f64(rand::random_range(0.9..1.1));
        let mut draining: Option<Instant> = None;
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            let (told, next) = match self
                .fleet
                .with(|fleet, now| fleet.tell(&self.cluster, id, BATCH, now))
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
                () = sleep_until(Some(draining.unwrap_or(old))) => {
                    if draining.is_some() {
                        return End::Drained;
                    }
                    draining = Some(Instant::now() + DRAIN_GRACE);
                    if let Err(end) = self.send(wire::drain("the session is old")).await {
                        return end;
                    }
                }
                () = self.drain.cancelled(), if draining.is_none() => {
                    draining = Some(Instant::now() + SHUTDOWN_GRACE);
                    if let Err(end) = self.send(wire::drain("the hub is going down")).await {
                        return end;
                    }
                }
            }
        }
    }

    async fn send(&self, message: HubMessage) -> Result<(), End> {
        self.metrics.message_down();
        // An agent that does not read is as gone as one that does not write.
        match timeout(self.settings.gone, self.outgoing.send(Ok(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Left),
            Err(_) => Err(End::Silent),
        }
    }

    /// The last word, where there is one to say.
    async fn part(&self, end: &End) {
        let last = match end {
            End::Refused { reason, message } => wire::refusal(*reason, message.clone()),
            End::Fleet(refused) => wire::refused(*refused),
            End::Left | End::Silent | End::Broken(_) | End::Drained => return,
        };
        if self.send(last).await.is_err() {
            warn!("the agent could not be told why");
        }
    }
}

fn malformed(message: &str) -> End {
    End::Refused {
        reason: Reason::Malformed,
        message: message.to_owned(),
    }
}

/// The highest version that both speak.
fn choose(hello: &Hello) -> Option<u32> {
    let highest = hello.protocol_max.min(*PROTOCOL_VERSIONS.end());
    (highest >= hello.protocol_min && PROTOCOL_VERSIONS.contains(&highest)).then_some(highest)
}

//! One session with one agent.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flyte_registration_proto::hub::{
    PROTOCOL_VERSIONS,
    v1::{AgentMessage, Hello, HubMessage, Limits, Welcome, agent_message::Kind, refusal::Reason},
};
use prost::Message as _;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::{Instrument as _, error, info, info_span};
use uuid::Uuid;

use super::{MESSAGE_MAX, Peer, Pins, door::Door, pace::Pace, places::Place, wire};
use crate::{
    audit::Audit,
    config,
    fleet::{FleetHandle, Refused, SPEC_MAX, Scope, SessionId, Up},
    identity::{self, Identity, Presented, UID_MAX},
    metrics::Metrics,
};

mod known;
mod speak;

const CHUNK_MAX: u32 = 1024 * 1024;
/// Longest version of an agent, in bytes.
const VERSION_MAX: usize = 128;

pub(super) struct Session {
    pub identity: Identity,
    pub presented: Presented,
    pub peer: Peer,
    pub place: Place,
    pub door: Door,
    pub pins: Pins,
    pub fleet: FleetHandle,
    pub settings: config::Session,
    pub metrics: Arc<Metrics>,
    pub audit: Audit,
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
    #[error("the agent is not known any more")]
    Unknown(Option<identity::Refused>),
    #[error("it was drained")]
    Drained,
}

impl Session {
    /// Runs the session to its end, which it logs.
    pub async fn run(self, mut incoming: Streaming<AgentMessage>) {
        let id = Uuid::new_v4();
        let span = info_span!("session", cluster = %self.identity.cluster, session = %id);
        async move {
            let end = match self.handshake(id, &mut incoming).await {
                Ok(uid) => {
                    let _stay = self.peer.guest.admit();
                    let end = tokio::select! {
                        end = self.listen(id, &mut incoming) => end,
                        end = self.speak(id) => end,
                        end = self.stay_known(&uid) => end,
                    };
                    self.leave(id, &end);
                    end
                }
                Err(end) => {
                    self.metrics.session_refused("hello");
                    end
                }
            };
            self.part(&end).await;
            info!("session ended: {end}");
            self.put_on_record(end).await;
        }
        .instrument(span)
        .await;
    }

    /// The cluster's uid, once it is welcome.
    async fn handshake(
        &self,
        id: SessionId,
        incoming: &mut Streaming<AgentMessage>,
    ) -> Result<String, End> {
        let first = timeout(self.settings.hello_timeout, incoming.message())
            .await
            .map_err(|_| End::Silent)?;
        let first = first.map_err(End::Broken)?.ok_or(End::Left)?;
        let Some(Kind::Hello(hello)) = first.kind else {
            return Err(malformed("the first message must be Hello"));
        };
        let protocol = choose(&hello).ok_or_else(|| End::Refused {
            reason: Reason::Protocol,
            message: format!(
                "the agent speaks protocol {} to {}, the hub {PROTOCOL_VERSIONS:?}",
                hello.protocol_min, hello.protocol_max
            ),
        })?;
        if hello.cluster_uid.is_empty() || hello.cluster_uid.len() > UID_MAX {
            return Err(malformed("Hello carries no cluster uid"));
        }
        if hello.agent_version.len() > VERSION_MAX {
            return Err(malformed("Hello carries too long a version"));
        }
        let scope =
            Scope::from_proto(hello.scope).map_err(|error| malformed(&error.to_string()))?;
        self.is_the_same(&hello.cluster_uid).await?;
        let cluster = &self.identity.cluster;
        self.fleet.with(|fleet, now| {
            fleet.open(cluster, &hello.cluster_uid, scope, id, now);
            fleet.greeted(cluster, id, &hello.agent_version, now);
        });
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
        self.send(wire::welcome(welcome)).await?;
        Ok(hello.cluster_uid)
    }

    fn leave(&self, id: SessionId, end: &End) {
        let cluster = &self.identity.cluster;
        self.fleet.with(|fleet, now| match end {
            End::Unknown(_) => fleet.expel(cluster, id, now),
            _ => fleet.close(cluster, id),
        });
    }

    /// Two clusters that were given one identity must not work on each other's resources.
    async fn is_the_same(&self, uid: &str) -> Result<(), End> {
        let cluster = &self.identity.cluster;
        let configured = self.door.identities().uid(cluster).map(str::to_owned);
        let pinned = match configured {
            Some(uid) => uid,
            None => self.pins.pinned(cluster, uid).await.map_err(|error| {
                error!(%error, "cannot read or write the cluster's uid in stateDir/clusters");
                End::Refused {
                    reason: Reason::Overloaded,
                    message: "the hub cannot say now whether this is the cluster it knows"
                        .to_owned(),
                }
            })?,
        };
        if pinned == uid {
            return Ok(());
        }
        Err(End::Refused {
            reason: Reason::ClusterMismatch,
            message: format!(
                "the hub knows another cluster as {cluster}: its kube-system has the uid {pinned}, this one's {}",
                uid.escape_debug()
            ),
        })
    }

    /// Takes in what the agent says.
    async fn listen(&self, id: SessionId, incoming: &mut Streaming<AgentMessage>) -> End {
        let mut pace = Pace::new(self.settings.max_messages_per_second);
        loop {
            let message = match timeout(self.settings.gone, incoming.message()).await {
                Err(_) => return End::Silent,
                Ok(Err(status)) => return End::Broken(status),
                Ok(Ok(None)) => return End::Left,
                Ok(Ok(Some(message))) => message,
            };
            self.metrics.message_up();
            let wait = pace.take(message.encoded_len(), Instant::now());
            let up = match Up::from_proto(message) {
                Ok(up) => up,
                Err(error) => return malformed(&error.to_string()),
            };
            let cluster = &self.identity.cluster;
            if let Err(refused) = self
                .fleet
                .with(|fleet, now| fleet.receive(cluster, id, up, now))
            {
                return refused.into();
            }
            if !wait.is_zero() {
                sleep(wait).await;
            }
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

//! One session with the hub after its Welcome, as a state machine without IO: what is sent
//! next, and what a message of the hub means.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};

use flyte_registration_proto::{
    hub::PROTOCOL_VERSIONS,
    hub::v1::{self as proto, agent_message::Kind, hub_message, refusal},
};
use prost::Message as _;

use super::Terms;
use crate::watch::{Index, Key};

/// What an object costs in a chunk beside its own bytes.
const PER_OBJECT: usize = 8;
/// Longest text of the hub that is logged or shown, in bytes.
const TEXT_MAX: usize = 1024;

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The hub refused it, with its message.
    Refused(refusal::Reason, String),
    /// The hub broke the protocol.
    Malformed(&'static str),
    /// The hub was silent for too long.
    Silent,
    /// The stream broke, or the hub closed it.
    Broken(String),
}

impl Ended {
    /// The hub refused the session.
    pub fn refused(refusal: &proto::Refusal) -> Self {
        let message = flyte_registration_crd::bounded(&refusal.message, TEXT_MAX);
        Self::Refused(refusal.reason(), message)
    }

    /// Whether another attempt fails the same way, until somebody changes something here or at the
    /// hub. Who is not known may be a moment later: with the next token, or once its cluster is
    /// entered.
    pub fn is_lasting(&self) -> bool {
        use refusal::Reason::{ClusterMismatch, Malformed, Protocol};
        matches!(
            self,
            Self::Refused(ClusterMismatch | Malformed | Protocol, _)
        )
    }

    /// Whether the hub is there, and does not let this agent in.
    pub fn is_refusal(&self) -> bool {
        self.is_lasting() || matches!(self, Self::Refused(refusal::Reason::Unauthenticated, _))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason, message) => {
                write!(
                    f,
                    "the hub refuses the session ({}): {message}",
                    reason.as_str_name()
                )
            }
            Self::Malformed(what) => f.write_str(what),
            Self::Silent => f.write_str("the hub has been silent for too long"),
            Self::Broken(error) => f.write_str(error),
        }
    }
}

/// What a message of the hub asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A status to write.
    Status(proto::Status),
    /// A finalizer to take off.
    Release(proto::FinalizerRelease),
    /// Connect anew, then drop this session.
    Drain(String),
    /// Nothing: a sign of life.
    Nothing,
}

#[derive(Debug)]
struct Snapshot {
    /// The last object that was sent.
    after: Option<Key>,
}

/// One session. What it knows of objects are names and uids; their newest state is looked
/// up at the moment of sending, so that a slow stream never carries what is outdated.
#[derive(Debug)]
pub struct Session {
    terms: Terms,
    resnapshot: Duration,
    snapshots: u64,
    snapshot: Option<Snapshot>,
    next_snapshot: Instant,
    /// The objects that the hub was told of, with their uids.
    told: BTreeMap<Key, String>,
    dirty: BTreeSet<Key>,
    written: BTreeMap<Key, proto::StatusWritten>,
    last_sent: Instant,
    last_received: Instant,
}

impl Session {
    /// The first message up.
    pub fn hello(cluster_uid: &str, namespaces: &[String]) -> proto::AgentMessage {
        message(Kind::Hello(proto::Hello {
            protocol_min: *PROTOCOL_VERSIONS.start(),
            protocol_max: *PROTOCOL_VERSIONS.end(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_uid: cluster_uid.to_owned(),
            scope: Some(proto::Scope {
                namespaces: namespaces.to_vec(),
            }),
        }))
    }

    /// A session that begins at `now` with a snapshot and repeats it every `resnapshot`.
    pub fn new(terms: Terms, resnapshot: Duration, now: Instant) -> Self {
        Self {
            terms,
            resnapshot,
            snapshots: 0,
            snapshot: None,
            next_snapshot: now,
            told: BTreeMap::new(),
            dirty: BTreeSet::new(),
            written: BTreeMap::new(),
            last_sent: now,
            last_received: now,
        }
    }

    /// These objects changed, came or went.
    pub fn changed(&mut self, keys: BTreeSet<Key>) {
        self.dirty.extend(keys);
    }

    /// A status was written, or was found written already.
    pub fn wrote(&mut self, key: Key, written: proto::StatusWritten) {
        self.written.insert(key, written);
    }

    /// Whether [`Self::next`] has something at `now`.
    pub fn has_next(&self, now: Instant) -> bool {
        let waiting = self.snapshot.is_some() || !self.written.is_empty() || !self.dirty.is_empty();
        waiting || now >= self.next_snapshot || now >= self.last_sent + self.terms.heartbeat
    }

    /// When to look again if nothing else happens.
    pub fn deadline(&self) -> Instant {
        (self.last_sent + self.terms.heartbeat)
            .min(self.last_received + self.terms.gone)
            .min(self.next_snapshot)
    }

    /// Whether the hub is to be taken for gone.
    pub fn is_silent(&self, now: Instant) -> bool {
        now >= self.last_received + self.terms.gone
    }

    /// Whether the hub has been sent a whole snapshot.
    pub fn is_synced(&self) -> bool {
        self.snapshots > 0 && (self.snapshots > 1 || self.snapshot.is_none())
    }

    /// What to send at `now`.
    pub fn next(&mut self, index: &Index, now: Instant) -> Option<proto::AgentMessage> {
        let kind = self.next_kind(index, now)?;
        self.last_sent = now;
        Some(message(kind))
    }

    fn next_kind(&mut self, index: &Index, now: Instant) -> Option<Kind> {
        if let Some((_, written)) = self.written.pop_first() {
            return Some(Kind::StatusWritten(written));
        }
        if now >= self.next_snapshot && self.snapshot.is_none() {
            self.begin_snapshot(now);
        }
        // Changes wait for the end of a snapshot: the hub forgets what it does not hold, and
        // an object that came behind its cursor would be forgotten at once.
        if self.snapshot.is_some() {
            return Some(self.chunk(index));
        }
        while let Some(key) = self.dirty.pop_first() {
            if let Some(kind) = self.difference(key, index) {
                return Some(kind);
            }
        }
        (now >= self.last_sent + self.terms.heartbeat)
            .then_some(Kind::Heartbeat(proto::Heartbeat {}))
    }

    fn begin_snapshot(&mut self, now: Instant) {
        self.snapshots += 1;
        self.snapshot = Some(Snapshot { after: None });
        self.next_snapshot = now + self.resnapshot;
        self.told.clear();
    }

    fn chunk(&mut self, index: &Index) -> Kind {
        let mut after = self.snapshot.take().and_then(|it| it.after);
        let mut objects = Vec::new();
        let mut bytes = 0;
        let last = loop {
            let Some((key, object)) = index.wire_after(after.as_ref()) else {
                break true;
            };
            let object = self.terms.fitted(object);
            bytes += object.encoded_len() + PER_OBJECT;
            if bytes > self.terms.chunk && !objects.is_empty() {
                break false;
            }
            self.dirty.remove(&key);
            self.told.insert(key.clone(), object.uid.clone());
            objects.push(object);
            after = Some(key);
        };
        if !last {
            self.snapshot = Some(Snapshot { after });
        }
        Kind::Snapshot(proto::SnapshotChunk {
            snapshot: self.snapshots,
            objects,
            last,
        })
    }

    fn difference(&mut self, key: Key, index: &Index) -> Option<Kind> {
        let told = self.told.get(&key);
        match (told, index.wire(&key)) {
            // Recreated under the same name: the old one is told to be gone first.
            (Some(uid), Some(object)) if *uid != object.uid => {
                let gone = self.gone(&key);
                self.dirty.insert(key);
                gone
            }
            (_, Some(object)) => {
                self.told.insert(key, object.uid.clone());
                let object = Some(self.terms.fitted(object));
                Some(Kind::Changed(proto::Changed { object }))
            }
            (Some(_), None) => self.gone(&key),
            (None, None) => None,
        }
    }

    fn gone(&mut self, key: &Key) -> Option<Kind> {
        let uid = self.told.remove(key)?;
        Some(Kind::Gone(proto::Gone {
            key: Some(key.into()),
            uid,
        }))
    }

    /// Takes a message of the hub.
    pub fn receive(&mut self, message: proto::HubMessage, now: Instant) -> Result<Incoming, Ended> {
        self.last_received = now;
        match message.kind {
            Some(hub_message::Kind::Status(status)) => Ok(Incoming::Status(status)),
            Some(hub_message::Kind::FinalizerRelease(release)) => Ok(Incoming::Release(release)),
            Some(hub_message::Kind::Drain(drain)) => Ok(Incoming::Drain(
                flyte_registration_crd::bounded(&drain.reason, TEXT_MAX),
            )),
            Some(hub_message::Kind::Refusal(refusal)) => Err(Ended::refused(&refusal)),
            Some(hub_message::Kind::Welcome(_)) => {
                Err(Ended::Malformed("the hub sent a second Welcome"))
            }
            // A kind that only a newer protocol knows says at least that the hub is alive.
            Some(hub_message::Kind::Heartbeat(_)) | None => Ok(Incoming::Nothing),
        }
    }
}

fn message(kind: Kind) -> proto::AgentMessage {
    proto::AgentMessage { kind: Some(kind) }
}

#[cfg(test)]
mod tests;

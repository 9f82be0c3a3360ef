//! What agents say.

use std::{collections::BTreeSet, sync::Arc};

use flyte_registration_proto::hub::v1::{self as proto, agent_message::Kind};

use super::{
    Fleet, Key, Malformed, Now, ObjectId, Observed, Refused, SessionId, cluster::Snapshot, observed,
};

/// A message from an agent, after its Hello.
#[derive(Debug)]
pub enum Up {
    /// A part of a full list.
    Snapshot {
        /// Numbers the snapshot.
        number: u64,
        /// Some of the objects.
        objects: Vec<(Key, Observed)>,
        /// There are no more.
        last: bool,
    },
    /// The newest state of an object.
    Changed(Key, Box<Observed>),
    /// The object is no more, or out of scope.
    Gone(Key, String),
    /// The object shows a status of this hash.
    Written {
        /// Which object.
        key: Key,
        /// Its uid.
        uid: String,
        /// The generation that the status is about.
        generation: i64,
        /// Hash of the status.
        hash: Vec<u8>,
    },
    /// Still there.
    Heartbeat,
}

impl Up {
    /// Reads a message of the wire. A second Hello is malformed.
    pub fn from_proto(message: proto::AgentMessage) -> Result<Self, Malformed> {
        match message.kind.ok_or(Malformed("an empty message"))? {
            Kind::Hello(_) => Err(Malformed("a second Hello")),
            Kind::Heartbeat(proto::Heartbeat {}) => Ok(Self::Heartbeat),
            Kind::Snapshot(chunk) => {
                let objects = chunk
                    .objects
                    .into_iter()
                    .map(Observed::from_proto)
                    .collect::<Result<_, _>>()?;
                Ok(Self::Snapshot {
                    number: chunk.snapshot,
                    objects,
                    last: chunk.last,
                })
            }
            Kind::Changed(changed) => {
                let object = changed
                    .object
                    .ok_or(Malformed("a change without an object"))?;
                let (key, observed) = Observed::from_proto(object)?;
                Ok(Self::Changed(key, Box::new(observed)))
            }
            Kind::Gone(gone) => Ok(Self::Gone(observed::key(gone.key)?, gone.uid)),
            Kind::StatusWritten(written) => Ok(Self::Written {
                key: observed::key(written.key)?,
                uid: written.uid,
                generation: written.generation,
                hash: written.status_hash.to_vec(),
            }),
        }
    }
}

impl Fleet {
    /// Takes in what `session` of `cluster` says.
    pub fn receive(
        &mut self,
        cluster: &Arc<str>,
        session: SessionId,
        up: Up,
        now: Now,
    ) -> Result<(), Refused> {
        let id = |key| ObjectId {
            cluster: Arc::clone(cluster),
            key,
        };
        let known = self
            .clusters
            .get_mut(cluster)
            .filter(|known| known.session == Some(session))
            .ok_or(Refused::Superseded)?;
        known.last_seen = Some(now.wall);
        if !known.scope.covers(&up) {
            return Err(Refused::OutOfScope);
        }
        match up {
            Up::Heartbeat => {}
            Up::Snapshot {
                number,
                objects,
                last,
            } => {
                let snapshot = match known.snapshot.take() {
                    Some(snapshot) if snapshot.number == number => snapshot,
                    _ => Snapshot {
                        number,
                        seen: BTreeSet::new(),
                    },
                };
                known.snapshot = Some(snapshot);
                for (key, observed) in objects {
                    self.observe(id(key), observed, now)?;
                }
                if last {
                    self.end_snapshot(cluster, now);
                }
            }
            Up::Changed(key, observed) => self.observe(id(key), *observed, now)?,
            Up::Gone(key, uid) => {
                let current = known
                    .entries
                    .get(&key)
                    .is_some_and(|entry| entry.observed.uid == uid);
                if current {
                    self.forget(&id(key), now);
                }
            }
            Up::Written {
                key,
                uid,
                generation,
                hash,
            } => {
                if let Some(entry) = known.entries.get_mut(&key)
                    && entry.observed.uid == uid
                    && entry.observed.generation == generation
                {
                    entry.written(hash);
                }
            }
        }
        Ok(())
    }

    /// What a finished snapshot does not hold is merely forgotten: nobody said that it was deleted.
    fn end_snapshot(&mut self, cluster: &Arc<str>, now: Now) {
        let Some(known) = self.clusters.get_mut(cluster) else {
            return;
        };
        let Some(snapshot) = known.snapshot.take() else {
            return;
        };
        let missing: Vec<Key> = known
            .entries
            .keys()
            .filter(|key| !snapshot.seen.contains(key))
            .cloned()
            .collect();
        for key in missing {
            self.forget(
                &ObjectId {
                    cluster: Arc::clone(cluster),
                    key,
                },
                now,
            );
        }
    }
}

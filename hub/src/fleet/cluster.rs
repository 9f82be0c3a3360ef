//! A cluster of the index, and what its agent must be told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;
use flyte_registration_crd::bounded;
use jiff::Timestamp;

use super::{Fleet, Key, Now, Scope, SessionId, entry::Entry, render::Shown};
use crate::tenancy::Labels;

/// Longest version of an agent that is kept, in bytes.
const VERSION_MAX: usize = 64;

/// A session that may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The agent spoke of an object outside of the scope that it declared.
    #[error("an object is in none of the namespaces that this agent declared to watch")]
    OutOfScope,
    /// A newer session of the cluster took over.
    #[error("a newer session of this cluster took over")]
    Superseded,
    /// The cluster has more resources than it may have.
    #[error("this cluster has more resources than the hub's limit")]
    TooManyObjects,
}

/// Something that an agent must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// What the resource should show.
    Status {
        /// Which resource.
        key: Key,
        /// Its uid.
        uid: String,
        /// The generation that the status is about.
        generation: i64,
        /// The whole status.
        json: Bytes,
    },
    /// The finalizer may go.
    Release {
        /// Which resource.
        key: Key,
        /// Its uid.
        uid: String,
    },
}

#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// uid of its kube-system, by the newest session.
    pub uid: String,
    pub session: Option<SessionId>,
    /// The version of the agent, as it says.
    pub agent_version: String,
    /// When the agent last said something.
    pub last_seen: Option<Timestamp>,
    /// That of the newest session.
    pub scope: Scope,
    /// The snapshot that is under way.
    pub snapshot: Option<Snapshot>,
    pub entries: BTreeMap<Key, Entry>,
    /// Those of them that are over the limit: they are told so, and wait for others to go.
    pub excess: BTreeSet<Key>,
    pub dirt: Dirt,
}

#[derive(Debug)]
pub(super) struct Snapshot {
    pub number: u64,
    pub seen: BTreeSet<Key>,
}

/// The entries whose agent may have to be told something, and from when on.
#[derive(Debug, Default)]
pub(super) struct Dirt(BTreeMap<Key, Instant>);

impl Dirt {
    pub fn soil(&mut self, key: &Key, due: Instant) {
        let place = self.0.entry(key.clone()).or_insert(due);
        *place = due.min(*place);
    }

    pub fn forget(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

impl Cluster {
    /// Thousands of resources of one namespace hold its labels once.
    pub fn share_labels(&self, key: &Key, labels: &mut Arc<Labels>) {
        let before = self.entries.range(..=key).next_back();
        if let Some((neighbour, entry)) = before
            && neighbour.namespace == key.namespace
            && entry.observed.labels == *labels
        {
            *labels = Arc::clone(&entry.observed.labels);
        }
    }
}

impl Fleet {
    /// A session of `cluster` begins; an older one ends with it. Under another uid it is another
    /// cluster, and nothing is left of the one before.
    pub fn open(
        &mut self,
        cluster: &Arc<str>,
        uid: &str,
        scope: Scope,
        session: SessionId,
        now: Now,
    ) {
        if self
            .clusters
            .get(cluster)
            .is_some_and(|known| known.uid != uid)
        {
            self.forget_cluster(cluster, now);
        }
        let known = self.clusters.entry(Arc::clone(cluster)).or_default();
        uid.clone_into(&mut known.uid);
        known.scope = scope;
        if known.session.replace(session).is_some() {
            self.wake.clusters.insert(Arc::clone(cluster));
        }
        known.snapshot = None;
        known.dirt = Dirt::default();
        for entry in known.entries.values_mut() {
            entry.released = false;
        }
    }

    /// The agent of `session` says which version it is.
    pub fn greeted(&mut self, cluster: &str, session: SessionId, version: &str, now: Now) {
        if let Some(known) = self.clusters.get_mut(cluster)
            && known.session == Some(session)
        {
            known.agent_version = bounded(version, VERSION_MAX);
            known.last_seen = Some(now.wall);
        }
    }

    /// A session ends. What its cluster wants stays known, and goes on.
    pub fn close(&mut self, cluster: &str, session: SessionId) {
        if let Some(known) = self.clusters.get_mut(cluster)
            && known.session == Some(session)
        {
            known.session = None;
            known.snapshot = None;
        }
    }

    /// A session ends because its agent is not known any more: nobody does what it asked for.
    pub fn expel(&mut self, cluster: &Arc<str>, session: SessionId, now: Now) {
        if self
            .clusters
            .get(cluster)
            .is_some_and(|known| known.session == Some(session))
        {
            self.forget_cluster(cluster, now);
            self.close(cluster, session);
        }
    }

    /// Forgets all clusters but those that `keep` names.
    pub fn keep_clusters(&mut self, keep: impl Fn(&str) -> bool, now: Now) {
        let gone: Vec<_> = self
            .clusters
            .keys()
            .filter(|name| !keep(name))
            .cloned()
            .collect();
        for cluster in gone {
            self.forget_cluster(&cluster, now);
            self.clusters.remove(&cluster);
            self.wake.clusters.insert(cluster);
        }
    }

    /// How many clusters are connected.
    pub fn connected(&self) -> usize {
        self.clusters
            .values()
            .filter(|cluster| cluster.session.is_some())
            .count()
    }

    /// At most `limit` things that `session` must be told now, and when there will be more.
    pub fn tell(
        &mut self,
        cluster: &str,
        session: SessionId,
        limit: usize,
        now: Now,
    ) -> Result<(Vec<Told>, Option<Instant>), Refused> {
        let known = self
            .clusters
            .get_mut(cluster)
            .filter(|known| known.session == Some(session))
            .ok_or(Refused::Superseded)?;
        let due: Vec<Key> = known
            .dirt
            .0
            .iter()
            .filter(|(_, due)| **due <= now.instant)
            .map(|(key, _)| key.clone())
            .take(limit)
            .collect();
        let policy = Arc::clone(&self.policy);
        let told = due
            .into_iter()
            .filter_map(|key| {
                known.dirt.forget(&key);
                known.entries.get_mut(&key)?.tell(cluster, key, &policy)
            })
            .collect();
        Ok((told, known.dirt.0.values().min().copied()))
    }
}

impl Entry {
    fn is_shown(&self) -> bool {
        self.shown
            .is_seen(&self.observed.status_hash, &self.observed.receipt)
    }

    /// The agent wrote a status of this hash, or found it there: with it goes its receipt.
    pub(super) fn written(&mut self, hash: Vec<u8>) {
        if let Shown::Status {
            hash: shown,
            receipt,
            ..
        } = &self.shown
            && *shown == hash
        {
            self.observed.receipt.clone_from(receipt);
        }
        self.observed.status_hash = hash;
    }

    fn tell(&mut self, cluster: &str, key: Key, policy: &super::Policy) -> Option<Told> {
        let uid = self.observed.uid.clone();
        if self.observed.deleting {
            let release = self.observed.finalizer && !self.released;
            self.released |= release;
            return release.then_some(Told::Release { key, uid });
        }
        if self.is_shown() {
            return None;
        }
        if let Shown::Receipt(payload) = &self.shown {
            // It does not show what the receipt was issued for: somebody else wrote there.
            let payload = payload.as_ref().clone();
            self.show_receipt(cluster, payload, policy);
        }
        let Shown::Status { json, .. } = &self.shown else {
            return None;
        };
        Some(Told::Status {
            key,
            uid,
            generation: self.observed.generation,
            json: json.clone(),
        })
    }
}

//! The fleet: one synchronous index of what all clusters want and what became of it.
//!
//! Agents' messages and finished work go in; work to do and statuses to tell come out. It
//! does no IO and reads no clock, so every decision can be tested with plain values.
//! [`handle`] is the shell around it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use flyte_registration_crd::Reason;
use jiff::Timestamp;
use uuid::Uuid;

pub mod backoff;
mod cluster;
mod conditions;
mod entry;
pub mod handle;
mod lanes;
mod look;
mod observed;
mod order;
mod policy;
pub(crate) mod queue;
mod record;
mod render;
mod scope;
mod session;
mod settle;
pub mod view;

pub use cluster::{Refused, Told};
pub use entry::{Failure, Outcome, Progress};
pub use handle::FleetHandle;
pub use observed::{Key, Malformed, ObjectId, Observed, SPEC_MAX};
pub use order::{Job, Occasion, Order, Ticket};
pub(crate) use policy::find;
pub use policy::{Changed, Policy, Refusal};
pub use record::{Asked, Origin, Unrecorded};
pub use scope::Scope;
pub use session::Up;

use cluster::Cluster;
use entry::Phase;
use lanes::Lanes;
use queue::{Place, Queue, Share};

/// A moment, by the clock that only goes forward and by the one that people read.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For delays.
    pub instant: Instant,
    /// For statuses.
    pub wall: Timestamp,
}

impl Now {
    /// The present.
    pub fn read() -> Self {
        Self {
            instant: Instant::now(),
            wall: Timestamp::now(),
        }
    }
}

/// Delays and limits that the fleet keeps.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Delay before the first repetition.
    pub retry_initial: Duration,
    /// Longest delay before a repetition.
    pub retry_max: Duration,
    /// Most resources of one cluster.
    pub max_objects: usize,
    /// Resources that are worked on at a time.
    pub places: usize,
}

/// How long progress must last before it is told. Most work is done sooner, and each
/// status is a write in somebody's cluster.
const PROGRESS_WORTH_TELLING: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub struct Fleet {
    settings: Settings,
    policy: Arc<Policy>,
    clusters: HashMap<Arc<str>, Cluster>,
    queue: Queue<ObjectId>,
    lanes: Lanes,
    working: HashMap<Ticket, ObjectId>,
    /// Refusals that are not on record yet, oldest first.
    unrecorded: BTreeMap<Ticket, ObjectId>,
    next_ticket: u64,
    wake: Wake,
}

/// Whom to wake after a change.
#[derive(Debug, Default)]
pub struct Wake {
    /// Clusters whose agents must be told something.
    pub clusters: BTreeSet<Arc<str>>,
    /// There may be work to do.
    pub work: bool,
    /// There are refusals to be put on record.
    pub refusals: bool,
    /// Work that nobody wants any more.
    pub cancelled: Vec<Ticket>,
}

impl Fleet {
    /// An empty fleet under `policy`.
    pub fn new(policy: Policy, settings: Settings) -> Self {
        Self {
            lanes: Lanes::new(settings.places, policy.epochs.len()),
            settings,
            policy: Arc::new(policy),
            clusters: HashMap::new(),
            queue: Queue::default(),
            working: HashMap::new(),
            unrecorded: BTreeMap::new(),
            next_ticket: 0,
            wake: Wake::default(),
        }
    }

    /// Whom to wake because of what happened since the last call.
    pub fn take_wake(&mut self) -> Wake {
        std::mem::take(&mut self.wake)
    }

    /// The next piece of work that is due, if any.
    pub fn take(&mut self, now: Now) -> Option<Job> {
        loop {
            // Newcomers first: where others wait for the same, they take their turn among them.
            let newcomer = self.queue.pop(now.instant);
            let has_waited = newcomer.is_none();
            let id = newcomer.or_else(|| self.lanes.next(now.instant))?;
            let Some((_, entry)) = entry_of(&mut self.clusters, &id) else {
                continue;
            };
            let Some(needs) = entry.needs() else {
                continue;
            };
            let share = entry.share(&id);
            if !self.lanes.admit(&needs, share, id.clone(), has_waited) {
                continue;
            }
            let ticket = self.next_ticket();
            let Some((_, entry)) = entry_of(&mut self.clusters, &id) else {
                continue;
            };
            if let Some(order) = entry.begin(ticket, now) {
                let origin = entry.observed.origin(&id);
                self.lanes.begin(ticket, &needs);
                self.working.insert(ticket, id);
                return Some(Job {
                    ticket,
                    origin,
                    order,
                });
            }
        }
    }

    /// When the next piece of work is due that is not due yet.
    pub fn next_due(&self) -> Option<Instant> {
        self.queue.next_due()
    }

    /// Work has come as far as `progress`.
    pub fn progress(&mut self, ticket: Ticket, progress: Progress, now: Now) {
        if matches!(progress, Progress::Registering(_)) {
            self.wake.work |= self.lanes.fetched(ticket);
        }
        let Some(id) = self.working.get(&ticket).cloned() else {
            return;
        };
        let Some((dirt, entry)) = entry_of(&mut self.clusters, &id) else {
            return;
        };
        if entry.progress(progress, now) {
            dirt.soil(&id.key, now.instant + PROGRESS_WORTH_TELLING);
            self.wake.clusters.insert(id.cluster);
        }
    }

    /// Work has ended.
    pub fn finish(&mut self, ticket: Ticket, outcome: Outcome, now: Now) {
        self.wake.work |= self.lanes.end(ticket);
        let Some(id) = self.working.remove(&ticket) else {
            return;
        };
        let policy = Arc::clone(&self.policy);
        let Some((dirt, entry)) = entry_of(&mut self.clusters, &id) else {
            return;
        };
        if let Some(delay) = entry.finish(&id.cluster, outcome, &policy, self.settings, now) {
            self.queue
                .push(entry.share(&id), id.clone(), Some(now.instant + delay));
            self.wake.work = true;
        }
        dirt.soil(&id.key, now.instant);
        self.wake.clusters.insert(id.cluster);
    }

    /// Everything is judged anew under another policy. Work that waits or goes on stays as it is
    /// if it is still the same, and if nothing that it needs has `changed`.
    pub fn replace_policy(&mut self, policy: Policy, changed: &Changed, now: Now) {
        self.lanes.divide(policy.epochs.len());
        self.policy = Arc::new(policy);
        let ids: Vec<ObjectId> = self.ids().collect();
        for id in ids {
            if let Some((_, entry)) = entry_of(&mut self.clusters, &id)
                && let Phase::Waiting(order) | Phase::Working(_, order) = &entry.phase
                && changed.concerns(order)
            {
                entry.judged = None;
            }
            self.judge(&id, now);
        }
    }

    /// How many resources there are by cluster and reason. `None`: being deleted.
    pub fn census(&self) -> BTreeMap<(Arc<str>, Option<Reason>), u64> {
        let mut census = BTreeMap::new();
        for (name, cluster) in &self.clusters {
            for entry in cluster.entries.values() {
                *census
                    .entry((Arc::clone(name), entry.reason()))
                    .or_default() += 1;
            }
        }
        census
    }

    /// How many pieces of work wait, and how many are being done.
    pub fn load(&self) -> (usize, usize) {
        (self.queue.len() + self.lanes.waiting(), self.working.len())
    }

    fn next_ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    fn ids(&self) -> impl Iterator<Item = ObjectId> {
        self.clusters.iter().flat_map(|(name, cluster)| {
            cluster.entries.keys().map(|key| ObjectId {
                cluster: Arc::clone(name),
                key: key.clone(),
            })
        })
    }
}

/// Split from `Fleet`, so that the other fields stay free to use.
fn entry_of<'a>(
    clusters: &'a mut HashMap<Arc<str>, Cluster>,
    id: &ObjectId,
) -> Option<(&'a mut cluster::Dirt, &'a mut entry::Entry)> {
    let cluster = clusters.get_mut(&id.cluster)?;
    let entry = cluster.entries.get_mut(&id.key)?;
    Some((&mut cluster.dirt, entry))
}

/// The share of the work that `id` belongs to, under a tenant of this weight.
pub(crate) fn share(tenant: &str, weight: u32, id: &ObjectId) -> Share {
    Share {
        tenant: tenant.into(),
        weight,
        place: Place {
            cluster: Arc::clone(&id.cluster),
            namespace: id.key.namespace.as_str().into(),
        },
    }
}

/// A new session: named at random, so that nobody guesses another's.
pub type SessionId = Uuid;

#[cfg(test)]
mod tests;

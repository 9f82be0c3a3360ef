//! What follows when an object changes or goes.

use std::sync::Arc;

use flyte_registration_crd::Reason;

use super::{
    Fleet, Now, ObjectId, Observed, Refused,
    entry::{Entry, Phase},
    policy::{Refusal, Verdict},
    render::{Facts, Shown},
};

impl Fleet {
    /// Takes in the newest state of an object.
    pub(super) fn observe(
        &mut self,
        id: ObjectId,
        mut observed: Observed,
        now: Now,
    ) -> Result<(), Refused> {
        let max_objects = self.settings.max_objects;
        let Some(cluster) = self.clusters.get_mut(&id.cluster) else {
            return Ok(());
        };
        cluster.share_labels(&id.key, &mut observed.labels);
        if let Some(snapshot) = &mut cluster.snapshot {
            snapshot.seen.insert(id.key.clone());
        }
        let known = cluster.entries.len();
        let served = known - cluster.excess.len();
        let unchanged = match cluster.entries.get_mut(&id.key) {
            Some(entry) if entry.observed.uid == observed.uid => {
                let unchanged = entry.observed.wants_as(&observed);
                entry.observed = observed;
                unchanged
            }
            Some(_) => {
                // Deleted and created anew: another resource, which has nothing of the old one.
                self.forget(&id, now);
                return self.observe(id, observed, now);
            }
            // Being told costs memory too.
            None if known >= 2 * max_objects => return Err(Refused::TooManyObjects),
            None => {
                if served >= max_objects {
                    cluster.excess.insert(id.key.clone());
                }
                cluster.entries.insert(id.key.clone(), Entry::new(observed));
                false
            }
        };
        if unchanged {
            // The agent wrote what it was told before: no reason to tell short progress sooner.
            let tell_from = cluster
                .entries
                .get(&id.key)
                .and_then(|entry| entry.tell_from);
            cluster.dirt.soil(&id.key, tell_from.unwrap_or(now.instant));
            self.wake.clusters.insert(id.cluster);
        } else {
            self.judge(&id, now);
        }
        Ok(())
    }

    /// Drops an object and all work for it, and lets one in that was over the limit.
    pub(super) fn forget(&mut self, id: &ObjectId, now: Now) {
        self.cancel(id);
        let Some(cluster) = self.clusters.get_mut(&id.cluster) else {
            return;
        };
        cluster.entries.remove(&id.key);
        cluster.dirt.forget(&id.key);
        if !cluster.excess.remove(&id.key)
            && let Some(key) = cluster.excess.pop_first()
        {
            let cluster = Arc::clone(&id.cluster);
            self.judge(&ObjectId { cluster, key }, now);
        }
    }

    pub(super) fn forget_cluster(&mut self, cluster: &Arc<str>, now: Now) {
        let known = self.clusters.get(cluster);
        let keys: Vec<_> =
            known.map_or_else(Vec::new, |known| known.entries.keys().cloned().collect());
        for key in keys {
            let cluster = Arc::clone(cluster);
            self.forget(&ObjectId { cluster, key }, now);
        }
    }

    /// Judges an object under the present policy, and acts on it.
    pub(super) fn judge(&mut self, id: &ObjectId, now: Now) {
        let policy = Arc::clone(&self.policy);
        let Some(cluster) = self.clusters.get_mut(&id.cluster) else {
            return;
        };
        let excess = cluster.excess.contains(&id.key);
        let Some(entry) = cluster.entries.get_mut(&id.key) else {
            return;
        };
        let verdict = if excess && !entry.observed.deleting {
            let limit = self.settings.max_objects;
            let message = format!(
                "cluster {} has more than {limit} resources, which is the hub's limit",
                id.cluster
            );
            Verdict::Settled(Refusal {
                rule: Some("session.maxObjects".to_owned()),
                ..Refusal::new(Reason::Denied, message)
            })
        } else {
            policy.judge(id, &entry.observed, entry.receipt.as_deref())
        };
        let judged = (entry.observed.generation, entry.observed.request.clone());
        let again = entry.judged.as_ref() == Some(&judged);
        // Work and looks that are still the same go on.
        if let Verdict::Work(order) | Verdict::Done(_, order) = &verdict
            && let Phase::Waiting(current) | Phase::Working(_, current) = &entry.phase
            && again
            && **order == **current
        {
            return;
        }
        self.cancel(id);
        let Some((dirt, entry)) = super::entry_of(&mut self.clusters, id) else {
            return;
        };
        dirt.soil(&id.key, now.instant);
        self.wake.clusters.insert(Arc::clone(&id.cluster));
        entry.judged = Some(judged);
        match verdict {
            Verdict::Deleting => entry.shown = Shown::Nothing,
            // That somebody does not want it is no decision of ours.
            Verdict::Settled(refusal) if refusal.reason == Reason::Suspended => {
                entry.begin_anew();
                entry.show(refusal.reason, &refusal.message, Facts::default(), now);
            }
            Verdict::Settled(refusal) => {
                // Should the policy allow it again, what was done is still done: it would
                // activate again what another version has replaced since.
                let kept = entry.receipt.take();
                let kept = policy.kept(&id.cluster, &entry.observed, kept);
                entry.begin_anew();
                entry.receipt = kept;
                self.await_record(id, refusal);
            }
            Verdict::Done(payload, look) => {
                let checked = payload.terms.clone();
                if !(again && entry.reason() == Some(payload.reason())) {
                    entry.shown = Shown::Receipt(payload);
                }
                if let Some(due) = entry.await_look(Arc::new(*look), &checked, now) {
                    self.queue.push(entry.share(id), id.clone(), Some(due));
                    self.wake.work = true;
                }
            }
            Verdict::Work(order) => {
                entry.begin_anew();
                entry.phase = Phase::Waiting(Arc::new(*order));
                entry.show(
                    Reason::Queued,
                    "waiting for its turn",
                    Facts::default(),
                    now,
                );
                self.queue.push(entry.share(id), id.clone(), None);
                self.wake.work = true;
            }
        }
    }

    fn cancel(&mut self, id: &ObjectId) {
        self.queue.remove(id);
        self.lanes.remove(id);
        let Some((_, entry)) = super::entry_of(&mut self.clusters, id) else {
            return;
        };
        match entry.phase {
            Phase::Working(ticket, _) => {
                entry.phase = Phase::Settled;
                self.working.remove(&ticket);
                self.lanes.end(ticket);
                self.wake.cancelled.push(ticket);
                self.wake.work = true;
            }
            Phase::Unrecorded(ticket, _) => {
                entry.phase = Phase::Settled;
                self.unrecorded.remove(&ticket);
            }
            Phase::Settled | Phase::Waiting(_) => {}
        }
    }
}

//! What follows when an object changes or goes.

use std::sync::Arc;

use flyte_registration_crd::Reason;

use super::{
    Fleet, Now, ObjectId, Observed, Refused,
    entry::{Entry, Phase},
    policy::Verdict,
    render::{Facts, Shown},
};

impl Fleet {
    /// Takes in the newest state of an object.
    pub(super) fn observe(
        &mut self,
        id: ObjectId,
        observed: Observed,
        now: Now,
    ) -> Result<(), Refused> {
        let max_objects = self.settings.max_objects;
        let Some(cluster) = self.clusters.get_mut(&id.cluster) else {
            return Ok(());
        };
        if let Some(snapshot) = &mut cluster.snapshot {
            snapshot.seen.insert(id.key.clone());
        }
        let full = cluster.entries.len() >= max_objects;
        let unchanged = match cluster.entries.get_mut(&id.key) {
            Some(entry) if entry.observed.uid == observed.uid => {
                let unchanged = entry.observed.wants_as(&observed);
                entry.observed = observed;
                unchanged
            }
            Some(_) => {
                // Deleted and created anew: another resource, which has nothing of the old one.
                self.forget(&id);
                return self.observe(id, observed, now);
            }
            None if full => return Err(Refused::TooManyObjects),
            None => {
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

    /// Drops an object and all work for it.
    pub(super) fn forget(&mut self, id: &ObjectId) {
        self.cancel(id);
        if let Some(cluster) = self.clusters.get_mut(&id.cluster) {
            cluster.entries.remove(&id.key);
            cluster.dirt.forget(&id.key);
        }
    }

    /// Judges an object under the present policy, and acts on it.
    pub(super) fn judge(&mut self, id: &ObjectId, now: Now) {
        let policy = Arc::clone(&self.policy);
        let Some((_, entry)) = super::entry_of(&mut self.clusters, id) else {
            return;
        };
        let verdict = policy.judge(id, &entry.observed, entry.receipt.as_deref());
        let judged = (entry.observed.generation, entry.observed.request.clone());
        let again = entry.judged.as_ref() == Some(&judged);
        if let (Verdict::Work(order), Phase::Waiting(current) | Phase::Working(_, current)) =
            (&verdict, &entry.phase)
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
            Verdict::Settled(reason, message) => {
                entry.begin_anew();
                entry.show(reason, &message, Facts::default(), now);
            }
            Verdict::Done(payload) => {
                if !(again && entry.reason() == Some(Reason::Registered)) {
                    entry.shown = Shown::Receipt(payload);
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
        if let Some((_, entry)) = super::entry_of(&mut self.clusters, id)
            && let Phase::Working(ticket, _) = entry.phase
        {
            entry.phase = Phase::Settled;
            self.working.remove(&ticket);
            self.wake.cancelled.push(ticket);
            self.wake.work = true;
        }
    }
}

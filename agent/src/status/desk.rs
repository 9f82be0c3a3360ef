//! What the status writer does next: pure. Of every object only the newest wanted status is
//! kept; one object that fails waits alone.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::{Duration, Instant},
};

use flyte_registration_crd::Reason;
use flyte_registration_proto::hub::v1 as proto;

use super::{Away, Decision, Wanted, decide};
use crate::{
    retry::Backoff,
    watch::{Index, Key, Observed},
};

/// How long a write waits for the watch to show what a conflict, or the last write, made of
/// the object, before it is tried on the old knowledge again.
const WATCH_LAG: Duration = Duration::from_secs(10);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_mins(1),
};

/// Something to do at the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The object.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// Its version, which a write must name.
    pub resource_version: String,
    /// The reason of its condition `Ready`.
    pub reason: Option<String>,
    /// What to do.
    pub task: Task,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Write the hub's status.
    Write(Wanted),
    /// Lay over the status that nothing comes from the hub, and why.
    Overlay(Away),
    /// Take our finalizer off.
    Release,
}

/// How a job went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the object now has this version.
    Done(String),
    /// The object had changed.
    Conflict,
    /// There is no such object.
    Gone,
    /// It failed.
    Failed,
}

#[derive(Debug, Default)]
struct Slot {
    wanted: Option<Wanted>,
    /// The uid whose finalizer the hub releases.
    release: Option<String>,
    running: bool,
    queued: bool,
    failures: u32,
    not_before: Option<Instant>,
    /// A version that is known to be outdated, and until when that is waited out.
    outdated: Option<(String, Instant)>,
}

/// The objects that something is to be done about.
#[derive(Debug, Default)]
pub struct Desk {
    slots: HashMap<Key, Slot>,
    queue: VecDeque<Key>,
    delayed: BTreeSet<(Instant, Key)>,
    away: Option<Away>,
    written: Vec<(Key, proto::StatusWritten)>,
}

impl Desk {
    /// The hub wants a status for `key`. It takes the place of what was wanted before.
    pub fn want(&mut self, key: Key, wanted: Wanted) {
        self.slots.entry(key.clone()).or_default().wanted = Some(wanted);
        self.touch(key);
    }

    /// The hub is done with the deletion of the object of this uid.
    pub fn release(&mut self, key: Key, uid: String) {
        self.slots.entry(key.clone()).or_default().release = Some(uid);
        self.touch(key);
    }

    /// The object may have changed.
    pub fn touch(&mut self, key: Key) {
        let slot = self.slots.entry(key.clone()).or_default();
        if !slot.queued && !slot.running {
            slot.queued = true;
            self.queue.push_back(key);
        }
    }

    /// Whether nothing has come from the hub for so long that tenants should know, and why.
    pub fn set_away(&mut self, away: Option<Away>, index: &Index) {
        if away.is_some() && away != self.away {
            index.keys().cloned().for_each(|key| self.touch(key));
        }
        self.away = away;
    }

    /// What was written, or found written, since the last call.
    pub fn take_written(&mut self) -> Vec<(Key, proto::StatusWritten)> {
        std::mem::take(&mut self.written)
    }

    /// Whether [`Self::take_written`] has something.
    pub fn has_written(&self) -> bool {
        !self.written.is_empty()
    }

    /// When [`Self::next`] may have something though nothing was touched.
    pub fn deadline(&self) -> Option<Instant> {
        self.delayed.first().map(|it| it.0)
    }

    /// The next job, which [`Self::done`] must end.
    pub fn next(&mut self, index: &Index, now: Instant) -> Option<Job> {
        while self.delayed.first().is_some_and(|it| it.0 <= now) {
            if let Some((_, key)) = self.delayed.pop_first() {
                self.touch(key);
            }
        }
        while let Some(key) = self.queue.pop_front() {
            let Some(slot) = self.slots.get_mut(&key) else {
                continue;
            };
            slot.queued = false;
            let observed = index.observed(&key);
            if let Some(until) = slot.held_until(observed, now) {
                self.delayed.insert((until, key));
                continue;
            }
            if let Some(task) = slot.task(&key, observed, self.away, &mut self.written)
                && let Some(observed) = observed
            {
                slot.running = true;
                return Some(job(key, observed, task));
            }
            if slot.is_idle() {
                self.slots.remove(&key);
            }
        }
        None
    }

    /// A job came to its end.
    pub fn done(&mut self, job: &Job, outcome: Outcome, now: Instant) {
        let Some(slot) = self.slots.get_mut(&job.key) else {
            return;
        };
        slot.running = false;
        // Until the watch shows what became of it, the object is not as we know it.
        slot.outdated = Some((job.resource_version.clone(), now + WATCH_LAG));
        match (outcome, &job.task) {
            // A write that changes nothing although something must change would be repeated
            // at once, and for ever.
            (Outcome::Done(version), Task::Overlay(_) | Task::Release)
                if version == job.resource_version =>
            {
                slot.fail(now);
            }
            (Outcome::Failed, _) => slot.fail(now),
            (Outcome::Conflict, _) => {}
            (outcome @ (Outcome::Done(_) | Outcome::Gone), _) => {
                slot.failures = 0;
                slot.not_before = None;
                slot.settle(job);
                if let (Outcome::Done(version), Task::Write(wanted)) = (outcome, &job.task) {
                    slot.outdated.take_if(|_| version == job.resource_version);
                    self.written
                        .push((job.key.clone(), written(&job.key, wanted)));
                }
            }
        }
        self.touch(job.key.clone());
    }
}

impl Slot {
    fn fail(&mut self, now: Instant) {
        self.outdated = None;
        self.not_before = Some(now + BACKOFF.ceiling(self.failures));
        self.failures = self.failures.saturating_add(1);
    }

    /// Until when nothing may be done, though there may be something to do.
    fn held_until(&mut self, observed: Option<&Observed>, now: Instant) -> Option<Instant> {
        if let Some((version, until)) = &self.outdated {
            if *until > now && observed.is_some_and(|it| it.resource_version == *version) {
                return Some(*until);
            }
            self.outdated = None;
        }
        self.not_before.filter(|until| *until > now)
    }

    fn task(
        &mut self,
        key: &Key,
        observed: Option<&Observed>,
        away: Option<Away>,
        there: &mut Vec<(Key, proto::StatusWritten)>,
    ) -> Option<Task> {
        // A release is about this very deletion: it must not outlive it.
        let leaving = observed.filter(|it| it.wire.deleting && it.wire.finalizer);
        self.release
            .take_if(|uid| leaving.is_none_or(|it| it.wire.uid != *uid));
        if leaving.is_some_and(|it| !it.deactivate || self.release.is_some()) {
            return Some(Task::Release);
        }
        if let Some(wanted) = self.wanted.take() {
            match decide(observed, &wanted) {
                Decision::Write => {
                    self.wanted = Some(wanted.clone());
                    return Some(Task::Write(wanted));
                }
                Decision::Wait => self.wanted = Some(wanted),
                Decision::There => there.push((key.clone(), written(key, &wanted))),
                Decision::Stale => {}
            }
        }
        away.filter(|away| observed.is_some_and(|it| needs_overlay(it, *away)))
            .map(Task::Overlay)
    }

    /// Forgets what `job` was about, unless something newer has come meanwhile.
    fn settle(&mut self, job: &Job) {
        match &job.task {
            Task::Write(wanted) => {
                self.wanted.take_if(|it| it == wanted);
            }
            Task::Release => {
                self.release.take_if(|uid| *uid == job.uid);
            }
            Task::Overlay(_) => {}
        }
    }

    fn is_idle(&self) -> bool {
        self.wanted.is_none() && self.release.is_none() && !self.running && !self.queued
    }
}

fn needs_overlay(observed: &Observed, away: Away) -> bool {
    let told = observed.ready.as_ref().is_some_and(|it| {
        it.reason == Reason::HubUnreachable.as_str()
            && it.message == away.message()
            && it.generation == observed.wire.generation
    });
    observed.waits() && !told
}

fn job(key: Key, observed: &Observed, task: Task) -> Job {
    Job {
        key,
        uid: observed.wire.uid.clone(),
        generation: observed.wire.generation,
        resource_version: observed.resource_version.clone(),
        reason: observed.ready.as_ref().map(|it| it.reason.clone()),
        task,
    }
}

fn written(key: &Key, wanted: &Wanted) -> proto::StatusWritten {
    proto::StatusWritten {
        key: Some(key.into()),
        uid: wanted.uid.clone(),
        generation: wanted.generation,
        status_hash: wanted.hash.clone(),
    }
}

#[cfg(test)]
mod tests;

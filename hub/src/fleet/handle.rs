//! The shell around the index: a lock, the clock, and the bells that the index rings.

use std::{collections::HashMap, sync::Arc, time::Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Fleet, Job, Now, Ticket, Unrecorded};

/// Shared access to the index. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FleetHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fleet: Mutex<Fleet>,
    work: Notify,
    refusals: Notify,
    sessions: Mutex<HashMap<Arc<str>, Arc<Notify>>>,
    jobs: Mutex<HashMap<Ticket, CancellationToken>>,
}

impl FleetHandle {
    /// Shares `fleet`.
    pub fn new(fleet: Fleet) -> Self {
        Self(Arc::new(Inner {
            fleet: Mutex::new(fleet),
            work: Notify::new(),
            refusals: Notify::new(),
            sessions: Mutex::default(),
            jobs: Mutex::default(),
        }))
    }

    /// Does something with the index, and rings the bells that follow.
    pub fn with<R>(&self, f: impl FnOnce(&mut Fleet, Now) -> R) -> R {
        let (result, wake) = {
            let mut fleet = self.0.fleet.lock();
            let result = f(&mut fleet, Now::read());
            (result, fleet.take_wake())
        };
        if wake.work {
            self.0.work.notify_one();
        }
        if wake.refusals {
            self.0.refusals.notify_one();
        }
        for cluster in wake.clusters {
            self.bell(&cluster).notify_waiters();
        }
        for ticket in wake.cancelled {
            if let Some(job) = self.0.jobs.lock().remove(&ticket) {
                job.cancel();
            }
        }
        result
    }

    /// Rings when the agent of `cluster` may have to be told something.
    pub fn bell(&self, cluster: &Arc<str>) -> Arc<Notify> {
        Arc::clone(
            self.0
                .sessions
                .lock()
                .entry(Arc::clone(cluster))
                .or_default(),
        )
    }

    /// The next job, when there is one. The token is cancelled when nobody wants it any more.
    pub async fn next_job(&self) -> (Job, CancellationToken) {
        loop {
            let (job, due) = self.with(|fleet, now| (self.take(fleet, now), fleet.next_due()));
            if let Some(job) = job {
                return job;
            }
            tokio::select! {
                () = self.0.work.notified() => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// Refusals that are to be put on record, at most `limit`, when there are some. The same ones
    /// again until they are.
    pub async fn refusals(&self, limit: usize) -> Vec<Unrecorded> {
        loop {
            let refusals = self.with(|fleet, _| fleet.unrecorded(limit));
            if !refusals.is_empty() {
                return refusals;
            }
            self.0.refusals.notified().await;
        }
    }

    /// The token is there before anybody else can cancel the job.
    fn take(&self, fleet: &mut Fleet, now: Now) -> Option<(Job, CancellationToken)> {
        let job = fleet.take(now)?;
        let token = CancellationToken::new();
        self.0.jobs.lock().insert(job.ticket, token.clone());
        Some((job, token))
    }

    /// Forgets the token of a job that ended.
    pub fn ended(&self, ticket: Ticket) {
        self.0.jobs.lock().remove(&ticket);
    }
}

/// Sleeps until `due`, or for ever.
pub async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

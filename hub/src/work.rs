//! Carries out jobs: fetch, plan, register.

use std::{sync::Arc, time::Instant};

use flyte_registration_crd::Reason;
use futures::{FutureExt as _, future::join_all};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info, info_span, warn};

use crate::{
    audit::{Audit, event},
    fleet::{FleetHandle, Job, Occasion, Outcome, Progress, share},
    metrics::Metrics,
    package,
    registrar::Registrar,
};

mod failure;
mod gate;
mod parts;
mod register;
mod registration;

pub use parts::{Parts, PartsError};

use failure::{defect, failed, unaudited};
use register::{begin, register};
use registration::Registration;

/// Everything that jobs need.
pub struct Runner {
    fleet: FleetHandle,
    parts: RwLock<Arc<Parts>>,
    /// FlyteAdmins that the configuration has no longer, but where activations may go on.
    retired: Mutex<Vec<Registrar>>,
    metrics: Arc<Metrics>,
    audit: Audit,
}

impl Runner {
    /// A runner of the fleet's jobs.
    pub fn new(fleet: FleetHandle, parts: Parts, metrics: Arc<Metrics>, audit: Audit) -> Self {
        Self {
            fleet,
            parts: RwLock::new(Arc::new(parts)),
            retired: Mutex::default(),
            metrics,
            audit,
        }
    }

    /// What jobs that begin now are carried out with.
    pub fn parts(&self) -> Arc<Parts> {
        Arc::clone(&self.parts.read())
    }

    /// Jobs that begin from now on are carried out with `parts`.
    pub fn replace_parts(&self, parts: Parts) {
        let new = Arc::new(parts);
        let old = std::mem::replace(&mut *self.parts.write(), Arc::clone(&new));
        let mut retired = self.retired.lock();
        retired.retain(Registrar::is_activating);
        let gone = old
            .lanes
            .iter()
            .filter(|(name, _)| !new.lanes.contains_key(*name));
        retired.extend(gone.map(|(_, lane)| lane.registrar.clone()));
    }

    /// Takes jobs, at most `concurrency` at a time, until `stop`. What is under way then is
    /// dropped: nothing is lost, as it is asked for again after a restart. Only activations
    /// that have begun go on: see [`Self::activations_ended`].
    pub async fn run(self: Arc<Self>, concurrency: usize, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(concurrency));
        let mut jobs = JoinSet::new();
        loop {
            let next = async {
                // Never closed.
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, self.fleet.next_job().await)
            };
            let (slot, (job, cancelled)) = tokio::select! {
                () = stop.cancelled() => break,
                next = next => next,
            };
            while jobs.try_join_next().is_some() {}
            let span =
                info_span!("job", resource = %job.origin.id, version = %job.order.target.version);
            let runner = Arc::clone(&self);
            jobs.spawn(
                async move {
                    runner.carry_out(job, cancelled).await;
                    drop(slot);
                }
                .instrument(span),
            );
        }
        // None of them begins an activation any more.
        jobs.shutdown().await;
    }

    /// Waits until the activations that have begun are ended, in all FlyteAdmins. The process
    /// should not exit before: half of one leaves no schedule running.
    pub async fn activations_ended(&self) {
        let mut registrars = self.retired.lock().clone();
        let lanes = &self.parts().lanes;
        registrars.extend(lanes.values().map(|lane| lane.registrar.clone()));
        join_all(registrars.iter().map(Registrar::activations_ended)).await;
    }

    async fn carry_out(&self, job: Job, cancelled: CancellationToken) {
        let began = Instant::now();
        // A panic in one job must not leave its resource in progress for ever.
        let work = std::panic::AssertUnwindSafe(self.outcome(&job)).catch_unwind();
        let work = async {
            let outcome = work.await.unwrap_or_else(|_| Arc::new(defect()));
            self.on_record(&job, outcome).await
        };
        let outcome = tokio::select! {
            () = cancelled.cancelled() => return,
            outcome = work => outcome,
        };
        let reason = outcome
            .failure
            .as_ref()
            .map_or(Reason::Registered, |failure| failure.reason);
        self.metrics.job(reason, began.elapsed());
        let duration_ms = began.elapsed().as_millis();
        match &outcome.failure {
            None => info!(duration_ms, "registered"),
            Some(failure) => {
                warn!(duration_ms, reason = %failure.reason, "not registered: {}", failure.message);
            }
        }
        self.fleet
            .with(|fleet, now| fleet.finish(job.ticket, Outcome::clone(&outcome), now));
        self.fleet.ended(job.ticket);
    }

    /// `outcome` once it is on record, or that it cannot be, so that nobody is told of it. Who shares
    /// the work of another, or what was done before, has no beginning on record yet; to all others
    /// it is the event that they have.
    async fn on_record(&self, job: &Job, outcome: Arc<Outcome>) -> Arc<Outcome> {
        let failure = outcome.failure.as_ref();
        if failure.is_some_and(|failure| failure.reason == Reason::AuditUnavailable) {
            return outcome;
        }
        let at = Timestamp::now();
        let mut events = event::registration::ended(&job.origin, &job.order, &outcome, at);
        let recorded = if let (Some(package), Some(_)) = (&outcome.package, outcome.counts) {
            if !events.is_empty() {
                let started = event::registration::started(&job.origin, &job.order, package, at);
                events.insert(0, started);
            }
            self.audit.record_end(events).await
        } else {
            // Nothing of it had begun.
            self.audit.record(events).await
        };
        match recorded {
            Ok(()) => outcome,
            Err(problem) => Arc::new(unaudited(outcome.package.clone(), problem)),
        }
    }

    async fn outcome(&self, job: &Job) -> Arc<Outcome> {
        let order = &job.order;
        let parts = self.parts();
        self.fleet
            .with(|fleet, now| fleet.progress(job.ticket, Progress::Fetching, now));
        let fetched = match parts.sources.fetch(&order.package).await {
            Ok(fetched) => fetched,
            Err(error) => {
                return Arc::new(failed(
                    None,
                    error.reason(),
                    error.to_string(),
                    error.retry_after(),
                ));
            }
        };
        let package = fetched.package.clone();
        let lane = parts.lanes.get(&order.flyte_admin);
        let usable = lane.and_then(|lane| Some((lane, lane.caller(order)?.clone())));
        let Some((lane, caller)) = usable else {
            let message = "the hub's configuration has no such FlyteAdmin any more, or no \
                           credentials for it"
                .to_owned();
            return Arc::new(failed(
                Some(package),
                Reason::FlyteUnavailable,
                message,
                None,
            ));
        };
        let registration = Registration::of(order, &package);
        // Another version may have been activated since: what was activated then proves nothing.
        if order.occasion == Occasion::Change
            && order.activation == package::Activation::None
            && let Some(outcome) = lane.done.get(&registration)
        {
            return Arc::new(Outcome {
                package: Some(package),
                ..Outcome::clone(&outcome)
            });
        }
        self.fleet.with(|fleet, now| {
            fleet.progress(job.ticket, Progress::Registering(package.clone()), now);
        });
        let turn = share(&order.tenant, order.weight, &job.origin.id);
        let places = lane.places.clone();
        let work = || {
            let limits = parts.limits.clone();
            let begin = begin(self.audit.clone(), job, &package);
            register(caller, places, turn, order, limits, fetched, begin)
        };
        let outcome = lane.under_way.join(registration.clone(), work).await;
        if outcome.failure.is_none() {
            lane.done.insert(registration, Arc::clone(&outcome));
        }
        Arc::new(Outcome {
            package: Some(package),
            ..Outcome::clone(&outcome)
        })
    }
}

#[cfg(test)]
mod tests;

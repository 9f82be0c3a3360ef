//! One resource in the index: what it wants, how far it has come, what it should show.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flyte_registration_crd::{Counts, Entity, Nature, Package, Reason};
use jiff::Timestamp;

use crate::registrar::Activated;

use super::{
    Now, ObjectId, Observed, Occasion, Order, PROGRESS_WORTH_TELLING, Policy, Refusal, Settings,
    Ticket, backoff,
    conditions::Conditions,
    lanes::Needs,
    look::Looks,
    queue::Share,
    render::{Facts, Shown},
    share,
};

/// How far work has come.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The package is being looked up and downloaded.
    Fetching,
    /// It is there, and FlyteAdmin is being called.
    Registering(Package),
}

/// How work ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The package, where one was found.
    pub package: Option<Package>,
    /// Entities by kind and fate, where it came that far.
    pub counts: Option<Counts>,
    /// The entities.
    pub entities: Vec<Entity>,
    /// What was activated.
    pub activations: Vec<Activated>,
    /// Why it is not done; `None` when it is.
    pub failure: Option<Failure>,
}

/// Why work is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In one word.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// The key of the configuration that decided it, where one did. Not for tenants.
    pub rule: Option<String>,
    /// The other side asked not to come back sooner.
    pub retry_after: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Nothing is to be done.
    Settled,
    /// It is in the queue.
    Waiting(Arc<Order>),
    /// It is being done.
    Working(Ticket, Arc<Order>),
    /// It is refused, and the refusal not on record yet.
    Unrecorded(Ticket, Refusal),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub observed: Observed,
    /// Generation and request of the last judgement.
    pub judged: Option<(i64, Option<String>)>,
    pub phase: Phase,
    pub shown: Shown,
    /// From when on what is shown is worth telling.
    pub tell_from: Option<Instant>,
    /// The present session was told that the finalizer may go.
    pub released: bool,
    pub conditions: Conditions,
    pub attempts: u32,
    pub started_at: Option<Timestamp>,
    pub package: Option<Package>,
    /// The last receipt that this process issued for it.
    pub receipt: Option<String>,
    pub looks: Looks,
}

impl Entry {
    pub fn new(observed: Observed) -> Self {
        Self {
            observed,
            judged: None,
            phase: Phase::Settled,
            shown: Shown::Nothing,
            tell_from: None,
            released: false,
            conditions: Conditions::default(),
            attempts: 0,
            started_at: None,
            package: None,
            receipt: None,
            looks: Looks::default(),
        }
    }

    /// Why it is as it is; `None` while it is being deleted.
    pub fn reason(&self) -> Option<Reason> {
        let refused = match &self.phase {
            Phase::Unrecorded(_, refusal) => Some(refusal.reason),
            _ => None,
        };
        self.shown.reason().or(refused)
    }

    pub fn share(&self, id: &ObjectId) -> Share {
        match &self.phase {
            Phase::Waiting(order) | Phase::Working(_, order) => {
                share(&order.tenant, order.weight, id)
            }
            Phase::Settled | Phase::Unrecorded(..) => share("", 1, id),
        }
    }

    /// Forgets the work done so far: another generation, request or policy begins.
    pub fn begin_anew(&mut self) {
        self.attempts = 0;
        self.started_at = None;
        self.package = None;
        self.receipt = None;
        self.looks = Looks::default();
    }

    /// What the work that waits needs.
    pub fn needs(&self) -> Option<Needs> {
        match &self.phase {
            Phase::Waiting(order) => Some(Needs {
                flyte_admin: order.flyte_admin.clone(),
                source: order.package.source.clone(),
            }),
            _ => None,
        }
    }

    /// Begins the work that waits, under `ticket`.
    pub fn begin(&mut self, ticket: Ticket, now: Now) -> Option<Arc<Order>> {
        let Phase::Waiting(order) = &self.phase else {
            return None;
        };
        let order = Arc::clone(order);
        self.phase = Phase::Working(ticket, Arc::clone(&order));
        if order.occasion == Occasion::Look {
            self.looks.begin(now);
        } else {
            self.attempts += 1;
            self.started_at.get_or_insert(now.wall);
        }
        Some(order)
    }

    /// Returns whether there is something new to show.
    pub fn progress(&mut self, progress: Progress, now: Now) -> bool {
        if matches!(&self.phase, Phase::Working(_, order) if order.occasion == Occasion::Look) {
            return false;
        }
        let (reason, message) = match progress {
            Progress::Fetching => (Reason::Fetching, "looking up and downloading the package"),
            Progress::Registering(package) => {
                self.package = Some(package);
                (Reason::Registering, "registering in FlyteAdmin")
            }
        };
        // A repetition goes on showing why the attempt before it failed.
        let first = self.attempts <= 1;
        if first {
            self.show(reason, message, Facts::default(), now);
            self.tell_from = Some(now.instant + PROGRESS_WORTH_TELLING);
        }
        first
    }

    /// Takes note of how the work ended. Returns the delay after which it is to be tried again.
    pub fn finish(
        &mut self,
        cluster: &str,
        outcome: Outcome,
        policy: &Policy,
        settings: Settings,
        now: Now,
    ) -> Option<Duration> {
        let Phase::Working(_, order) = &self.phase else {
            return None;
        };
        let order = Arc::clone(order);
        if order.occasion == Occasion::Look {
            return self.looked(cluster, order, outcome, policy, settings, now);
        }
        self.package = outcome.package.or_else(|| self.package.take());
        let facts = Facts {
            counts: outcome.counts,
            entities: outcome.entities,
            activations: outcome.activations,
            ..Facts::default()
        };
        let Some(failure) = outcome.failure else {
            self.show_registered(cluster, &order, facts, policy, now);
            let look = Order::clone(&order).on(Occasion::Look);
            return self.look_after(Arc::new(look), now);
        };
        if failure.reason.nature() == Nature::Stalled {
            self.show(failure.reason, &failure.message, facts, now);
            // Where the package may change, it is tried again that often.
            return self.look_after(order, now);
        }
        let Settings {
            retry_initial,
            retry_max,
            ..
        } = settings;
        let delay = backoff::delay(
            self.attempts,
            retry_initial,
            retry_max,
            failure.retry_after,
            &self.observed.uid,
        );
        self.phase = Phase::Waiting(order);
        let next_retry_at = now.wall.checked_add(delay).ok();
        self.show(
            failure.reason,
            &failure.message,
            Facts {
                next_retry_at,
                ..facts
            },
            now,
        );
        Some(delay)
    }
}

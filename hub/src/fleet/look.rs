//! Looking again at what is registered, each `spec.interval`: whether the tag moved, whether
//! FlyteAdmin still has it, which versions are active.
//!
//! A look that finds all as it was writes nothing. One that could not be made leaves the
//! resource ready, as what is registered is not touched by it, and says so in its message.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use flyte_registration_crd::{
    Entity, FlyteRegistrationStatus, MESSAGE_MAX, Nature, bounded, parse_go_duration,
};
use jiff::Timestamp;

use super::{
    Failure, Now, Order, Outcome, Policy, Settings, backoff,
    entry::{Entry, Phase},
    render::{Shown, millis},
};
use crate::receipt::{Found, Payload};

/// The looks at one resource.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// When the next one is due; kept when the resource is judged again.
    due: Option<Instant>,
    /// How often the present one was tried.
    attempts: u32,
    /// When the present one began.
    began: Option<Timestamp>,
}

impl Looks {
    pub fn begin(&mut self, now: Now) {
        self.attempts += 1;
        self.began.get_or_insert(now.wall);
    }

    fn end(&mut self) {
        self.attempts = 0;
        self.began = None;
    }
}

impl Entry {
    /// Waits for the next look at something registered, and says when it is due: now, if it was
    /// checked by other terms than are granted. Those that a new process finds registered are
    /// spread over the interval: a restart is no reason to look at all of them at once.
    pub(super) fn await_look(
        &mut self,
        look: Arc<Order>,
        checked: &str,
        now: Now,
    ) -> Option<Instant> {
        if checked != look.fingerprint {
            self.looks.due = Some(now.instant);
            self.phase = Phase::Waiting(look);
            return Some(now.instant);
        }
        let Some(interval) = self.interval() else {
            self.looks = Looks::default();
            return None;
        };
        let uid = &self.observed.uid;
        let due = self
            .looks
            .due
            .get_or_insert_with(|| now.instant + backoff::part(interval, uid));
        self.phase = Phase::Waiting(look);
        Some(*due)
    }

    /// Settles until the interval has passed, where there is one, and repeats `order` then.
    pub(super) fn look_after(&mut self, order: Arc<Order>, now: Now) -> Option<Duration> {
        self.looks.end();
        let Some(interval) = self.interval() else {
            self.phase = Phase::Settled;
            return None;
        };
        // A little early, so that what was applied together is not looked at together for ever.
        let delay =
            interval / 10 * 9 + backoff::part(interval / 10, (&self.observed.uid, now.instant));
        self.looks.due = Some(now.instant + delay);
        self.phase = Phase::Waiting(order);
        Some(delay)
    }

    /// Takes note of what a look found. Returns the delay until the next.
    pub(super) fn looked(
        &mut self,
        cluster: &str,
        look: Arc<Order>,
        outcome: Outcome,
        policy: &Policy,
        settings: Settings,
        now: Now,
    ) -> Option<Duration> {
        let own = self.receipt.as_deref();
        let before = policy.receipt(cluster, &self.observed, own, &look);
        if let Some(before) = before
            && let Some(after) = self.after(&before, &outcome, &look, now)
        {
            let entities = if after.look_failed() {
                self.entities()
            } else {
                outcome.entities
            };
            self.show_done(cluster, after, entities, policy, now.wall);
        }
        let retried = outcome
            .failure
            .filter(|failure| failure.reason.nature() == Nature::Retried);
        let Some(failure) = retried else {
            return self.look_after(look, now);
        };
        let delay = self.retry_look(&failure, settings);
        self.looks.due = Some(now.instant + delay);
        self.phase = Phase::Waiting(look);
        Some(delay)
    }

    fn retry_look(&self, failure: &Failure, settings: Settings) -> Duration {
        let longest = self.interval().unwrap_or(settings.retry_max);
        backoff::delay(
            self.looks.attempts,
            settings.retry_initial,
            settings.retry_max.min(longest),
            failure.retry_after,
            &self.observed.uid,
        )
    }

    /// What is to be shown after a look; `None` when it is what is shown already.
    fn after(
        &self,
        before: &Payload,
        outcome: &Outcome,
        look: &Order,
        now: Now,
    ) -> Option<Payload> {
        let found = outcome.failure.as_ref().map(|failure| Found {
            reason: failure.reason,
            message: bounded(&failure.message, MESSAGE_MAX / 2),
        });
        let mut after = Payload {
            found,
            ..before.clone()
        };
        if !after.look_failed() {
            after.terms.clone_from(&look.fingerprint);
        }
        let counts = outcome.counts.unwrap_or(before.counts);
        let package = outcome.package.as_ref().unwrap_or(&before.package);
        if after.found.is_some() {
            if !after.look_failed() {
                after.counts = counts;
            }
        } else if before.found.is_some()
            || counts.created > 0
            || counts.activated != before.counts.activated
            || *package != before.package
        {
            after.counts = counts;
            after.package = package.clone();
            after.started_at = millis(self.looks.began.unwrap_or(now.wall));
            after.completed_at = millis(now.wall);
            after.attempts = self.looks.attempts;
        }
        (after != *before).then_some(after)
    }

    /// The entities that are shown. None after a restart: they are not in the receipt.
    fn entities(&self) -> Vec<Entity> {
        let Shown::Status { json, .. } = &self.shown else {
            return Vec::new();
        };
        serde_json::from_slice::<FlyteRegistrationStatus>(json)
            .map(|status| status.entities)
            .unwrap_or_default()
    }

    fn interval(&self) -> Option<Duration> {
        let spec = self.observed.spec.as_ref().ok()?;
        parse_go_duration(spec.interval.as_deref()?).ok()
    }
}

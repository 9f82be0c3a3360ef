//! How many requests a source gets: at a time, per second, and none while it asks for patience.

use std::{collections::HashMap, sync::Arc, time::Duration};

use flyte_registration_crd::Reason;
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep_until},
};

use super::{ConnectionConfig, error::Failure};

/// How long a host is left alone that limits the rate and does not say for how long.
const PAUSE_DEFAULT: Duration = Duration::from_secs(1);

/// Until when a host is left alone. Shared by all sources on it: hosts count addresses, not
/// credentials.
#[derive(Debug, Default)]
pub(crate) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Extends it, never shortens it.
    fn until(&self, until: Instant) {
        let mut paused = self.0.lock();
        *paused = Some(paused.map_or(until, |present| present.max(until)));
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        let left = self.0.lock().as_ref()?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

/// The pauses of all hosts.
#[derive(Clone, Debug, Default)]
pub(super) struct Pauses(HashMap<String, Arc<Pause>>);

impl Pauses {
    /// That of `host[:port]`.
    pub(super) fn of(&mut self, authority: &str) -> Arc<Pause> {
        Arc::clone(self.0.entry(authority.to_owned()).or_default())
    }
}

/// The limits of one source.
pub(super) struct Throttle {
    permits: Semaphore,
    pace: Option<Pace>,
    pause: Arc<Pause>,
}

struct Pace {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// When the next request may be sent, which is taken by that. Idle time is not saved up.
    fn slot(&self, now: Instant) -> Instant {
        let mut next = self.next.lock();
        let slot = (*next).max(now);
        *next = slot + self.interval;
        slot
    }
}

impl Throttle {
    pub(super) fn new(connection: &ConnectionConfig, pause: Arc<Pause>) -> Self {
        let pace = |rate: f64| Pace {
            interval: Duration::from_secs_f64(1.0 / rate.max(f64::EPSILON)),
            next: Mutex::new(Instant::now()),
        };
        Self {
            permits: Semaphore::new(connection.max_concurrent),
            pace: connection.rate.map(pace),
            pause,
        }
    }

    /// Waits until one more may be at work. Never closed, so that it never fails.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// Waits until one more request may be sent to `host`. Fails at once where the host asked to
    /// be left alone: the queue tries again when it may be asked again.
    pub(super) async fn next_request(&self, host: &str) -> Result<(), Failure> {
        self.patience(host)?;
        let Some(pace) = &self.pace else {
            return Ok(());
        };
        let slot = pace.slot(Instant::now());
        sleep_until(slot).await;
        self.patience(host)
    }

    /// The host asks to be left alone, for that long if it says so.
    pub(super) fn pause(&self, retry_after: Option<Duration>) {
        self.pause
            .until(Instant::now() + retry_after.unwrap_or(PAUSE_DEFAULT));
    }

    fn patience(&self, host: &str) -> Result<(), Failure> {
        let Some(left) = self.pause.left(Instant::now()) else {
            return Ok(());
        };
        let message = format!("{host} asked to be left alone for a while");
        let mut failure = Failure::new(Reason::RateLimited, message);
        failure.retry_after = Some(left);
        Err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spread_at_the_rate_and_idle_time_is_not_saved_up() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let pace = Pace {
            interval: second,
            next: Mutex::new(now),
        };
        assert_eq!(pace.slot(now), now);
        assert_eq!(pace.slot(now), now + second);
        assert_eq!(pace.slot(now), now + second * 2);
        let later = now + second * 10;
        assert_eq!(pace.slot(later), later);
        assert_eq!(pace.slot(later), later + second);
    }

    #[test]
    fn a_pause_after_429_holds_for_every_source_on_the_host() {
        let mut pauses = Pauses::default();
        let one = pauses.of("host");
        let now = Instant::now();
        one.until(now + Duration::from_secs(30));
        one.until(now + PAUSE_DEFAULT);
        assert_eq!(pauses.of("host").left(now), Some(Duration::from_secs(30)));
        assert_eq!(pauses.of("host:5000").left(now), None);
        assert_eq!(one.left(now + Duration::from_secs(30)), None);
    }
}

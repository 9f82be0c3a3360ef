//! How many requests a source gets: at a time, per second, and none while it asks for patience.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep_until},
};

use super::ConnectionConfig;

/// The limits of one source.
pub(super) struct Throttle {
    permits: Semaphore,
    pace: Option<Pace>,
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
    pub(super) fn new(connection: &ConnectionConfig) -> Self {
        let pace = |rate: f64| Pace {
            interval: Duration::from_secs_f64(1.0 / rate.max(f64::EPSILON)),
            next: Mutex::new(Instant::now()),
        };
        Self {
            permits: Semaphore::new(connection.max_concurrent),
            pace: connection.rate.map(pace),
        }
    }

    /// Waits until one more may be at work. Never closed, so that it never fails.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// Waits until one more request may be sent.
    pub(super) async fn next_request(&self) {
        let Some(pace) = &self.pace else { return };
        let slot = pace.slot(Instant::now());
        sleep_until(slot).await;
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
}

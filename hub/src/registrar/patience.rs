//! How often a registration tries again before it leaves it to a later one.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tonic::Status;

use super::classify::{Verdict, classify};

/// Most calls for one thing.
const ATTEMPTS: u32 = 5;
/// The first wait, before jitter; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// Retries that every registration has.
const RETRIES: usize = 10;
/// Entities that earn one more retry.
const ENTITIES_PER_RETRY: usize = 5;
/// How long after its beginning a registration still tries again.
const TIME: Duration = Duration::from_mins(1);

/// What is left of the retries of one registration. A FlyteAdmin that is down is found out
/// after a few calls, not after all of them.
#[derive(Debug)]
pub(super) struct Patience {
    retries: AtomicUsize,
    until: Instant,
    over: AtomicBool,
}

impl Patience {
    pub(super) fn new(entities: usize, now: Instant) -> Self {
        Self {
            retries: AtomicUsize::new(RETRIES + entities / ENTITIES_PER_RETRY),
            until: now + TIME,
            over: AtomicBool::new(false),
        }
    }

    /// How long to wait before trying again what was tried `attempts` times; `None` if it
    /// is to be left. `chance` is between 0 and 1.
    pub(super) fn wait(&self, attempts: u32, now: Instant, chance: f64) -> Option<Duration> {
        if attempts >= ATTEMPTS {
            return None;
        }
        let taken = self
            .retries
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if taken.is_err() || now >= self.until {
            self.end();
            return None;
        }
        let doubled = FIRST_WAIT * 2_u32.saturating_pow(attempts.saturating_sub(1));
        Some(
            doubled
                .min(LONGEST_WAIT)
                .mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0),
        )
    }

    /// Nothing more is to be begun.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether nothing more is to be begun.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Repeats a read that failed for the moment, as long as there is patience.
pub(super) async fn patiently<A, F: Future<Output = Result<A, Status>>>(
    patience: &Patience,
    call: impl Fn() -> F,
) -> Result<A, Status> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match call().await {
            Err(status) if classify(status.code(), status.message()) == Verdict::Later => {
                match patience.wait(attempts, Instant::now(), rand::random()) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(status),
                }
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let now = Instant::now();
        let patience = Patience::new(0, now);
        let waits: Vec<_> = (1..=ATTEMPTS).map(|n| patience.wait(n, now, 1.0)).collect();
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(
            waits,
            [millis(100), millis(200), millis(400), millis(800), None]
        );
        assert_eq!(patience.wait(1, now, 0.0), millis(50));
        assert!(!patience.is_over());
    }

    #[test]
    fn retries_are_shared_by_the_whole_registration() {
        let now = Instant::now();
        let patience = Patience::new(10, now);
        for _ in 0..12 {
            assert!(patience.wait(1, now, 0.5).is_some());
        }
        assert_eq!(patience.wait(1, now, 0.5), None);
        assert!(patience.is_over());
    }

    #[test]
    fn time_runs_out() {
        let now = Instant::now();
        let patience = Patience::new(1000, now);
        assert_eq!(patience.wait(1, now + TIME, 0.5), None);
        assert!(patience.is_over());
    }
}

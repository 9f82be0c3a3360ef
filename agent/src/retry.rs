//! Delays between attempts.

use std::time::Duration;

use rand::RngExt as _;

/// Exponential backoff with full jitter: of many agents that lost the same hub, no two come
/// back at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Longest delay after the first failure.
    pub first: Duration,
    /// Longest delay of all.
    pub longest: Duration,
}

impl Backoff {
    /// Longest delay before attempt `attempt`, counted from 0.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let factor = 2_u32.checked_pow(attempt).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// A random delay up to that.
    pub fn delay(&self, attempt: u32) -> Duration {
        self.ceiling(attempt)
            .mul_f64(rand::rng().random_range(0.05..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_mins(1),
        };
        let seconds: Vec<u64> = (0..8).map(|it| backoff.ceiling(it).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.ceiling(u32::MAX), Duration::from_mins(1));
        assert!((0..100).all(|attempt| backoff.delay(attempt) <= backoff.ceiling(attempt)));
    }
}

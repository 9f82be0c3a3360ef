//! How long to wait before trying again.

use std::{
    hash::{DefaultHasher, Hash, Hasher as _},
    time::Duration,
};

/// The delay after the `attempt`th failure (from 1): doubling from `initial` up to `max`,
/// and spread over its upper half by `seed`, so that what failed together is not tried
/// together. Never shorter than `at_least`, which is what the other side asked for.
pub fn delay(
    attempt: u32,
    initial: Duration,
    max: Duration,
    at_least: Option<Duration>,
    seed: &str,
) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let whole = initial.saturating_mul(1 << doublings).min(max);
    let delay = whole / 2 + part(whole / 2, (seed, attempt));
    delay.max(at_least.unwrap_or_default())
}

/// A part of `whole`, the same for the same `seed`, and spread evenly over all others.
pub fn part(whole: Duration, seed: impl Hash) -> Duration {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    let thousandths = u32::try_from(hasher.finish() % 1000).unwrap_or_default();
    whole / 1000 * thousandths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stays_between_half_and_whole(attempt in 0_u32..100, seed in "[a-z]{0,8}") {
            let (initial, max) = (Duration::from_secs(2), Duration::from_mins(15));
            let delay = delay(attempt, initial, max, None, &seed);
            prop_assert!(delay >= Duration::from_secs(1) && delay <= max);
        }
    }

    #[test]
    fn grows_and_obeys_the_other_side() {
        let (initial, max) = (Duration::from_secs(2), Duration::from_mins(15));
        assert!(delay(6, initial, max, None, "a") > delay(1, initial, max, None, "a"));
        let asked = Duration::from_hours(1);
        assert_eq!(delay(1, initial, max, Some(asked), "a"), asked);
    }
}

//! How long a session may stay.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::{fleet::Now, identity::Lifetime};

/// How long an agent may take to leave an old session for a new one.
const GRACE: Duration = Duration::from_secs(30);
/// The last part of a token's life, in which its session is asked to leave. The kubelet has written
/// the next one by then: it does when four fifths of a token's life are over.
const LAST: std::ops::Range<f64> = 0.05..0.1;
/// By how much the age of sessions varies, so that they do not end together.
const AGES: std::ops::Range<f64> = 0.9..1.1;

/// When a session is asked to leave, and when it must have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tenure {
    /// When it is asked.
    pub drain: Instant,
    /// When it ends.
    pub end: Instant,
    /// Why it is asked.
    pub why: &'static str,
}

impl Tenure {
    /// That of a session which begins `now`, with a token of this life or without one. `chance`,
    /// between 0 and 1, spreads the ends of sessions that began together.
    pub fn new(max_age: Duration, token: Option<Lifetime>, now: Now, chance: f64) -> Self {
        let within = |range: std::ops::Range<f64>| range.start + (range.end - range.start) * chance;
        let old = now.instant + max_age.mul_f64(within(AGES));
        let of_age = Self {
            drain: old,
            end: old + GRACE,
            why: "the session is old",
        };
        let Some(Lifetime { issued, expires }) = token else {
            return of_age;
        };
        let left = between(now.wall, expires);
        // One that was opened late in its token's life may wait for half of what is left.
        let last = between(issued, expires).mul_f64(within(LAST)).min(left / 2);
        let (drain, end) = (now.instant + left.saturating_sub(last), now.instant + left);
        if drain < of_age.drain {
            let why = "the token expires soon";
            Self { drain, end, why }
        } else {
            Self {
                end: of_age.end.min(end),
                ..of_age
            }
        }
    }
}

/// Nothing, where `end` comes before `start`.
fn between(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn now() -> Now {
        Now {
            instant: Instant::now(),
            wall: Timestamp::from_second(1_800_000_000).unwrap(),
        }
    }

    /// Issued and expired so many seconds from now.
    fn token(issued: i64, expires: i64) -> Lifetime {
        let at = |seconds| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        Lifetime {
            issued: at(issued),
            expires: at(expires),
        }
    }

    fn seconds(tenure: Tenure, now: Now) -> (u64, u64) {
        let since = |instant: Instant| instant.duration_since(now.instant).as_secs();
        (since(tenure.drain), since(tenure.end))
    }

    #[test]
    fn sessions_end_with_their_age() {
        let now = now();
        assert_eq!(
            seconds(Tenure::new(HOUR, None, now, 0.0), now),
            (3240, 3270)
        );
        assert_eq!(
            seconds(Tenure::new(HOUR, None, now, 1.0), now),
            (3960, 3990)
        );
        let long = token(0, 86_400);
        assert_eq!(
            seconds(Tenure::new(HOUR, Some(long), now, 0.5), now),
            (3600, 3630)
        );
    }

    #[test]
    fn sessions_end_before_their_token_and_never_after_it() {
        let now = now();
        let fresh = token(0, 3600);
        assert_eq!(
            seconds(Tenure::new(2 * HOUR, Some(fresh), now, 0.0), now),
            (3420, 3600)
        );
        assert_eq!(
            seconds(Tenure::new(2 * HOUR, Some(fresh), now, 1.0), now),
            (3240, 3600)
        );
        // Opened when the kubelet is about to write the next one.
        let late = token(-3580, 20);
        assert_eq!(
            seconds(Tenure::new(HOUR, Some(late), now, 0.5), now),
            (10, 20)
        );
        let over = token(-3600, 0);
        assert_eq!(
            seconds(Tenure::new(HOUR, Some(over), now, 0.5), now),
            (0, 0)
        );
        // Its age comes first, but its token ends within the grace.
        let close = Tenure::new(Duration::from_mins(1), Some(token(0, 70)), now, 0.0);
        assert_eq!(seconds(close, now), (54, 70));
    }
}

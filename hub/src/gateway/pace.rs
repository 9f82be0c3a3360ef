//! How fast an agent may speak. Whoever speaks faster is read more slowly, and HTTP/2 holds it up.

use std::time::{Duration, Instant};

/// A message counts once for each so many bytes of it, and once at least.
const BYTES: usize = 16 * 1024;
/// An agent that was silent may be ahead by as much: a snapshot of thousands of resources.
const BURST: Duration = Duration::from_secs(10);

/// The pace of one session (a generic cell rate algorithm).
#[derive(Debug)]
pub(super) struct Pace {
    each: Duration,
    /// When all that was taken in would have been, at the allowed pace.
    even: Option<Instant>,
}

impl Pace {
    /// `rate` messages each second.
    pub fn new(rate: u32) -> Self {
        Self {
            each: Duration::from_secs(1) / rate.max(1),
            even: None,
        }
    }

    /// Takes a message of this many bytes in: for how long to read no further.
    pub fn take(&mut self, bytes: usize, now: Instant) -> Duration {
        let count = u32::try_from(bytes.div_ceil(BYTES))
            .unwrap_or(u32::MAX)
            .max(1);
        let even = self.even.map_or(now, |even| even.max(now)) + self.each * count;
        self.even = Some(even);
        even.duration_since(now).saturating_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_pace_holds() {
        let mut pace = Pace::new(100);
        let start = Instant::now();
        for _ in 0..1000 {
            assert_eq!(pace.take(1, start), Duration::ZERO);
        }
        assert_eq!(pace.take(1, start), Duration::from_millis(10));
        assert_eq!(pace.take(BYTES * 10, start), Duration::from_millis(110));
        let later = start + Duration::from_mins(1);
        assert_eq!(pace.take(BYTES + 1, later), Duration::ZERO, "it has rested");
    }
}

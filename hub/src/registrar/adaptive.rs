//! How many calls may be in flight: all that FlyteAdmin takes well, and no more.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls that must go well, for each that may be in flight, before one more may be.
const PATIENCE: usize = 4;

/// How busy a FlyteAdmin is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Calls on their way.
    pub in_flight: usize,
    /// Calls that may be on their way now, between 1 and `maxInFlight`.
    pub limit: usize,
}

/// The rule, without the waiting: halve at the first sign of strain, grow by one after
/// a while of none.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    max: usize,
    limit: usize,
    /// Permits that exist, those in use among them.
    permits: usize,
    good: usize,
    /// Counts the halvings: what began before the last one says nothing new.
    era: u64,
}

impl Rule {
    fn new(max: usize) -> Self {
        let max = max.max(1);
        Self {
            max,
            limit: max,
            permits: max,
            good: 0,
            era: 0,
        }
    }

    /// A call that began in `era` ended. Answers with how many permits to add, or with
    /// `None` if the call's own is to be withdrawn.
    fn ended(&mut self, era: u64, strained: bool) -> Option<usize> {
        if strained && era == self.era {
            self.limit = (self.limit / 2).max(1);
            self.good = 0;
            self.era += 1;
        } else if !strained {
            self.good += 1;
            if self.good >= self.limit * PATIENCE && self.limit < self.max {
                self.limit += 1;
                self.good = 0;
            }
        }
        if self.permits > self.limit {
            self.permits -= 1;
            None
        } else {
            let add = self.limit - self.permits;
            self.permits = self.limit;
            Some(add)
        }
    }
}

/// Admits calls by the rule, in the order in which they ask.
#[derive(Debug)]
pub(super) struct Limiter {
    rule: Mutex<Rule>,
    semaphore: Arc<Semaphore>,
}

impl Limiter {
    pub(super) fn new(max: usize) -> Self {
        let rule = Rule::new(max);
        Self {
            semaphore: Arc::new(Semaphore::new(rule.permits)),
            rule: Mutex::new(rule),
        }
    }

    /// Waits until one more call may be made.
    pub(super) async fn admit(&self) -> Admitted<'_> {
        // Never closed, so that this cannot fail; without a permit the call is merely not counted.
        let permit = self.semaphore.clone().acquire_owned().await.ok();
        Admitted {
            limiter: self,
            era: self.rule.lock().era,
            permit,
            strained: false,
        }
    }

    pub(super) fn load(&self) -> Load {
        let rule = self.rule.lock();
        Load {
            in_flight: rule
                .permits
                .saturating_sub(self.semaphore.available_permits()),
            limit: rule.limit,
        }
    }
}

/// A call that may be made; over when dropped.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    limiter: &'a Limiter,
    era: u64,
    permit: Option<OwnedSemaphorePermit>,
    strained: bool,
}

impl Admitted<'_> {
    /// The call showed that FlyteAdmin has too much to do.
    pub(super) fn strained(&mut self) {
        self.strained = true;
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let mut rule = self.limiter.rule.lock();
        match rule.ended(self.era, self.strained) {
            Some(add) => self.limiter.semaphore.add_permits(add),
            None => permit.forget(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_once_for_one_wave_of_failures() {
        let mut rule = Rule::new(8);
        assert_eq!(rule.ended(0, true), None);
        assert_eq!((rule.limit, rule.permits), (4, 7));
        // The other seven of the wave were sent before it was known.
        for _ in 0..3 {
            assert_eq!(rule.ended(0, true), None);
        }
        assert_eq!((rule.limit, rule.permits), (4, 4));
        assert_eq!(rule.ended(0, true), Some(0));
        assert_eq!(rule.ended(1, true), None);
        assert_eq!(rule.limit, 2);
    }

    #[test]
    fn never_less_than_one() {
        let mut rule = Rule::new(1);
        assert_eq!(rule.ended(0, true), Some(0));
        assert_eq!((rule.limit, rule.permits), (1, 1));
    }

    #[test]
    fn grows_slowly_up_to_the_maximum() {
        let mut rule = Rule::new(4);
        rule.ended(0, true);
        rule.ended(0, true);
        assert_eq!((rule.limit, rule.permits), (2, 2));
        for _ in 0..7 {
            assert_eq!(rule.ended(1, false), Some(0));
        }
        assert_eq!(rule.ended(1, false), Some(1));
        assert_eq!((rule.limit, rule.permits), (3, 3));
        for _ in 0..1000 {
            rule.ended(1, false);
        }
        assert_eq!((rule.limit, rule.permits), (4, 4));
    }

    #[tokio::test]
    async fn waits_for_room() {
        let limiter = Limiter::new(2);
        let first = limiter.admit().await;
        let mut second = limiter.admit().await;
        assert_eq!(
            limiter.load(),
            Load {
                in_flight: 2,
                limit: 2
            }
        );
        second.strained();
        drop(second);
        assert_eq!(
            limiter.load(),
            Load {
                in_flight: 1,
                limit: 1
            }
        );
        let third = tokio::time::timeout(std::time::Duration::from_millis(20), limiter.admit());
        assert!(third.await.is_err());
        drop(first);
        drop(limiter.admit().await);
        assert_eq!(
            limiter.load(),
            Load {
                in_flight: 0,
                limit: 1
            }
        );
    }

    proptest! {
        #[test]
        fn permits_follow_the_limit(max in 1_usize..20, calls in proptest::collection::vec((any::<bool>(), any::<bool>()), 0..300)) {
            let mut rule = Rule::new(max);
            let (mut free, mut used) = (max, Vec::new());
            for (begin, strained) in calls {
                if begin && free > 0 {
                    free -= 1;
                    used.push(rule.era);
                } else if let Some(era) = used.pop()
                    && let Some(add) = rule.ended(era, strained)
                {
                    free += add + 1;
                }
                prop_assert_eq!(free + used.len(), rule.permits);
                prop_assert!((1..=max).contains(&rule.limit));
                prop_assert!(rule.permits <= max && rule.permits >= 1);
            }
        }
    }
}

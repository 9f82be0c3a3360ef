//! Whether the Lease may be claimed: pure, and by this machine's clock alone. That another
//! holder is gone shows in its record not changing, whatever times stand in it.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp,
};

/// How long the Lease holds without being renewed, in seconds.
pub const SECONDS: i32 = 15;
/// What is believed of another holder's term, in seconds.
const BELIEVED: RangeInclusive<i32> = 1..=300;

/// What one candidate knows.
#[derive(Debug)]
pub struct Election {
    identity: String,
    /// Another's record, and since when it has not changed.
    other: Option<(LeaseSpec, Instant)>,
}

impl Election {
    /// A candidate of this name.
    pub fn new(identity: String) -> Self {
        Self {
            identity,
            other: None,
        }
    }

    /// The record to write in the place of `found`, if it may be. `now` is by the clock that
    /// never goes back, `time` is for people.
    pub fn claim(
        &mut self,
        found: Option<&LeaseSpec>,
        now: Instant,
        time: Timestamp,
    ) -> Option<LeaseSpec> {
        let holder = found
            .and_then(|it| it.holder_identity.as_deref())
            .unwrap_or_default();
        if holder == self.identity {
            self.other = None;
            let found = found.cloned().unwrap_or_default();
            return Some(LeaseSpec {
                renew_time: Some(MicroTime(time)),
                lease_duration_seconds: Some(SECONDS),
                ..found
            });
        }
        if !holder.is_empty() && !self.has_expired(found?, now) {
            return None;
        }
        self.other = None;
        Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(SECONDS),
            acquire_time: Some(MicroTime(time)),
            renew_time: Some(MicroTime(time)),
            lease_transitions: Some(found.map_or(0, |it| {
                it.lease_transitions.unwrap_or_default().saturating_add(1)
            })),
            ..LeaseSpec::default()
        })
    }

    /// The record that lets the Lease go, if it is ours.
    pub fn give_back(&self, found: &LeaseSpec) -> Option<LeaseSpec> {
        let ours = found.holder_identity.as_deref() == Some(&self.identity);
        ours.then(|| LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            ..found.clone()
        })
    }

    fn has_expired(&mut self, found: &LeaseSpec, now: Instant) -> bool {
        match &self.other {
            Some((known, since)) if known == found => {
                let seconds = found.lease_duration_seconds.unwrap_or(SECONDS);
                let seconds = seconds.clamp(*BELIEVED.start(), *BELIEVED.end());
                now >= *since + Duration::from_secs(seconds.unsigned_abs().into())
            }
            _ => {
                self.other = Some((found.clone(), now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_free_lease_is_taken_and_renewed() {
        let (mut election, now) = (Election::new("me".to_owned()), Instant::now());
        let taken = election.claim(None, now, time(1)).unwrap();
        assert_eq!(taken.holder_identity.as_deref(), Some("me"));
        assert_eq!(taken.lease_transitions, Some(0));

        let renewed = election.claim(Some(&taken), now, time(5)).unwrap();
        assert_eq!(renewed.acquire_time, Some(MicroTime(time(1))));
        assert_eq!(renewed.renew_time, Some(MicroTime(time(5))));
        assert_eq!(renewed.lease_transitions, Some(0));
    }

    #[test]
    fn a_lease_that_was_given_back_is_free() {
        let now = Instant::now();
        let (mut one, mut two) = (
            Election::new("one".to_owned()),
            Election::new("two".to_owned()),
        );
        let held = one.claim(None, now, time(1)).unwrap();
        assert_eq!(two.claim(Some(&held), now, time(1)), None);
        assert_eq!(two.give_back(&held), None, "it is not theirs to give");
        let free = one.give_back(&held).unwrap();
        let taken = two.claim(Some(&free), now, time(2)).unwrap();
        assert_eq!(
            (taken.holder_identity.as_deref(), taken.lease_transitions),
            (Some("two"), Some(1))
        );
    }

    #[test]
    fn a_lease_is_taken_when_its_record_has_stood_still() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (mut one, mut two) = (
            Election::new("one".to_owned()),
            Election::new("two".to_owned()),
        );
        // The other machine's clock is off by a day: it does not matter.
        let held = one.claim(None, start, time(86_400)).unwrap();
        assert_eq!(two.claim(Some(&held), at(0), time(0)), None);
        assert_eq!(two.claim(Some(&held), at(14), time(14)), None);
        let renewed = one.claim(Some(&held), at(14), time(86_414)).unwrap();
        assert_eq!(two.claim(Some(&renewed), at(15), time(15)), None);
        assert_eq!(two.claim(Some(&renewed), at(29), time(29)), None);
        let taken = two.claim(Some(&renewed), at(30), time(30)).unwrap();
        assert_eq!(taken.holder_identity.as_deref(), Some("two"));
        assert_eq!(
            one.claim(Some(&taken), at(31), time(31)),
            None,
            "the old holder stands back"
        );
    }

    #[test]
    fn nobody_holds_it_for_ever() {
        let start = Instant::now();
        let endless = LeaseSpec {
            holder_identity: Some("other".to_owned()),
            lease_duration_seconds: Some(i32::MAX),
            ..LeaseSpec::default()
        };
        let mut election = Election::new("me".to_owned());
        assert_eq!(election.claim(Some(&endless), start, time(0)), None);
        assert!(
            election
                .claim(Some(&endless), start + Duration::from_mins(5), time(0))
                .is_some()
        );
    }
}

//! Agents that connect, and strangers: each an event, unless there are so many that they would fill
//! the disk. Those are counted, and told together. Pure, but for [`Audit`]'s part.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use flyte_registration_crd::bounded;
use jiff::Timestamp;

use super::{Audit, Event, event::agent};

/// How long a count goes on.
pub(super) const WINDOW: Duration = Duration::from_mins(1);
/// Events of one cluster, and of all strangers together, in a window.
const EVENTS_MAX: u32 = 20;
/// Reasons that are counted by themselves: there are far fewer.
const REASONS_MAX: usize = 64;
const REASON_MAX: usize = 64;

/// How somebody who wanted to connect fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival<'a> {
    /// It is the agent of a cluster.
    Accepted {
        /// Which.
        cluster: &'a str,
        /// What shows it.
        how: &'a str,
    },
    /// It was not let in.
    Refused {
        /// Why, in one word of a closed list.
        why: &'a str,
        /// Whom it said to be; empty for nobody.
        claimed: &'a str,
    },
}

/// What came in the present window.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    began: Option<Instant>,
    /// Events of this window by cluster; those of strangers under the empty name.
    events: BTreeMap<String, u32>,
    uncounted: Untold,
}

/// Arrivals that are counted, and not on record yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Untold {
    /// By cluster: how the last of them was known, and how many there were.
    accepted: BTreeMap<String, (String, u64)>,
    /// By reason.
    refused: BTreeMap<String, u64>,
}

impl Arrivals {
    /// Takes in an arrival. Returns its event, if it is to have one of its own.
    fn take_in(&mut self, arrival: Arrival<'_>, now: Instant, at: Timestamp) -> Option<Event> {
        if self
            .began
            .is_none_or(|began| now.saturating_duration_since(began) >= WINDOW)
        {
            self.began = Some(now);
            self.events.clear();
        }
        let whose = match arrival {
            Arrival::Accepted { cluster, .. } => cluster,
            Arrival::Refused { .. } => "",
        };
        let events = self.events.entry(whose.to_owned()).or_default();
        if *events >= EVENTS_MAX {
            self.uncounted.add(arrival);
            return None;
        }
        *events += 1;
        Some(match arrival {
            Arrival::Accepted { cluster, how } => agent::authenticated(cluster, how, 1, at),
            Arrival::Refused { why, claimed } => {
                agent::refused(claimed, &[(reason(why), 1)].into(), at)
            }
        })
    }
}

impl Untold {
    fn add(&mut self, arrival: Arrival<'_>) {
        match arrival {
            Arrival::Accepted { cluster, how } => self.accepted(cluster, how, 1),
            Arrival::Refused { why, .. } => self.refused(&reason(why), 1),
        }
    }

    fn accepted(&mut self, cluster: &str, how: &str, times: u64) {
        let (last, count) = self.accepted.entry(cluster.to_owned()).or_default();
        how.clone_into(last);
        *count += times;
    }

    fn refused(&mut self, why: &str, times: u64) {
        let known = self.refused.contains_key(why) || self.refused.len() < REASONS_MAX;
        let why = if known { why } else { "other" };
        *self.refused.entry(why.to_owned()).or_default() += times;
    }

    /// One event for each cluster, and one for all strangers.
    fn events(&self, at: Timestamp) -> Vec<Event> {
        let accepted = self
            .accepted
            .iter()
            .map(|(cluster, (how, count))| agent::authenticated(cluster, how, *count, at));
        let refused = (!self.refused.is_empty()).then(|| agent::refused("", &self.refused, at));
        accepted.chain(refused).collect()
    }

    fn add_all(&mut self, others: &Self) {
        for (cluster, (how, count)) in &others.accepted {
            self.accepted(cluster, how, *count);
        }
        for (why, count) in &others.refused {
            self.refused(why, *count);
        }
    }
}

impl Audit {
    /// Puts an arrival on record, or counts it where there are too many, or where it cannot be put
    /// on record now: who may connect does not depend on that.
    pub async fn arrived(&self, arrival: Arrival<'_>) {
        let event = self
            .0
            .arrivals
            .lock()
            .take_in(arrival, Instant::now(), Timestamp::now());
        if let Some(event) = event
            && self.record(vec![event]).await.is_err()
        {
            self.0.arrivals.lock().uncounted.add(arrival);
        }
    }

    /// Puts on record how many arrivals were counted.
    pub(super) async fn tell_arrivals(&self) {
        let untold = std::mem::take(&mut self.0.arrivals.lock().uncounted);
        let events = untold.events(Timestamp::now());
        if !events.is_empty() && self.record(events).await.is_err() {
            self.0.arrivals.lock().uncounted.add_all(&untold);
        }
    }
}

fn reason(why: &str) -> String {
    bounded(why, REASON_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn stranger() -> Arrival<'static> {
        Arrival::Refused {
            why: "expired",
            claimed: "east",
        }
    }

    fn agent() -> Arrival<'static> {
        Arrival::Accepted {
            cluster: "east",
            how: "token",
        }
    }

    #[test]
    fn a_thousand_strangers_are_few_events_and_hide_no_agent() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        let mut events = |arrival, times: usize, now| {
            let events = (0..times).filter_map(|_| arrivals.take_in(arrival, now, AT));
            events.count()
        };
        assert_eq!(events(stranger(), 1000, now), 20);
        assert_eq!(events(agent(), 30, now), 20);
        assert_eq!(events(stranger(), 1, now + WINDOW / 2), 0);
        assert_eq!(events(stranger(), 1, now + WINDOW), 1);
        let counts = arrivals.uncounted.events(AT);
        let counts: Vec<_> = counts.iter().map(|event| &event.data["count"]).collect();
        assert_eq!(counts, [10, 981]);
    }

    #[test]
    fn reasons_are_counted_by_themselves_and_bounded() {
        let mut untold = Untold::default();
        for number in 0..1000 {
            untold.refused(&format!("reason {number}"), 1);
        }
        let mut twice = untold.clone();
        twice.add_all(&untold);
        assert!(twice.refused.len() <= REASONS_MAX + 1);
        let event = &twice.events(AT)[0];
        assert_eq!(event.data["count"], 2000);
        assert_eq!(event.data["reasons"]["reason 0"], 2);
    }
}

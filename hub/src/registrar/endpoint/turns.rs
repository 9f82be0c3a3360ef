//! Whose turn it is. Pure.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long what the name was resolved to is taken to be so.
const RESOLVED: Duration = Duration::from_secs(30);
/// How long at least, although calls fail.
const RESOLVED_MIN: Duration = Duration::from_secs(1);
/// How long a connection that had to go elsewhere is kept before its own address is tried again.
const STRAYED: Duration = Duration::from_mins(1);
/// Most addresses that are used.
const ADDRESSES_MAX: usize = 16;

/// A connection to an address, or to another one in its place.
pub(super) trait Connection: Clone {
    /// Since when it is connected to another one.
    fn strayed(&self) -> Option<Instant>;
}

/// One connection for each address, in turns.
#[derive(Debug)]
pub(super) struct Turns<C> {
    slots: Vec<(SocketAddr, C)>,
    next: usize,
    /// When the addresses were last asked for.
    asked: Option<Instant>,
    /// A call failed since.
    failed: bool,
}

impl<C> Default for Turns<C> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            next: 0,
            asked: None,
            failed: false,
        }
    }
}

impl<C: Connection> Turns<C> {
    /// The connection for the next call; `None` before there are addresses.
    pub(super) fn next(&mut self) -> Option<C> {
        let (_, connection) = self.slots.get(self.next % self.slots.len().max(1))?;
        self.next = self.next.wrapping_add(1);
        Some(connection.clone())
    }

    /// Whether the name is to be resolved again, which the caller then does.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let lasts = if self.failed { RESOLVED_MIN } else { RESOLVED };
        let due = self
            .asked
            .is_none_or(|asked| now.saturating_duration_since(asked) >= lasts);
        if due {
            self.asked = Some(now);
            self.failed = false;
        }
        due
    }

    /// A call failed on the way: perhaps there are other addresses now.
    pub(super) fn failed(&mut self) {
        self.failed = true;
    }

    /// These are the addresses now. Connections to those that stay are kept, but for those
    /// that had to go elsewhere for long. Answers with the addresses that are used.
    pub(super) fn resolved(
        &mut self,
        mut addresses: Vec<SocketAddr>,
        now: Instant,
        connect: impl Fn(SocketAddr) -> C,
    ) -> Vec<SocketAddr> {
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        let kept = |address: &SocketAddr| {
            let slot = self.slots.iter().find(|(other, _)| other == address);
            slot.map(|(_, connection)| connection).filter(|connection| {
                let strayed = connection.strayed();
                strayed.is_none_or(|since| now.saturating_duration_since(since) < STRAYED)
            })
        };
        let slots = addresses.iter().map(|address| {
            let connection = kept(address).cloned();
            (*address, connection.unwrap_or_else(|| connect(*address)))
        });
        self.slots = slots.collect();
        addresses
    }
}

/// The addresses to try for a connection that is for `first`, in this order: those after it
/// share the load of one that is dead.
pub(super) fn order(addresses: &[SocketAddr], first: SocketAddr) -> Vec<SocketAddr> {
    let mut order = addresses.to_vec();
    let position = order.iter().position(|address| *address == first);
    order.rotate_left(position.unwrap_or(0));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Fake {
        number: usize,
        strayed: Option<Instant>,
    }

    impl Connection for Fake {
        fn strayed(&self) -> Option<Instant> {
            self.strayed
        }
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 81))
    }

    fn fake(address: SocketAddr, era: usize) -> Fake {
        let SocketAddr::V4(address) = address else {
            return Fake {
                number: era,
                strayed: None,
            };
        };
        let last = usize::from(address.ip().octets()[3]);
        Fake {
            number: era + last,
            strayed: None,
        }
    }

    fn numbers(turns: &mut Turns<Fake>, count: usize) -> Vec<usize> {
        (0..count)
            .filter_map(|_| turns.next())
            .map(|fake| fake.number)
            .collect()
    }

    #[test]
    fn each_in_turn() {
        let mut turns = Turns::default();
        assert_eq!(turns.next(), None);
        let now = Instant::now();
        let used = turns.resolved(vec![address(2), address(1), address(2)], now, |a| {
            fake(a, 0)
        });
        assert_eq!(used, [address(1), address(2)]);
        assert_eq!(numbers(&mut turns, 5), [1, 2, 1, 2, 1]);
    }

    #[test]
    fn connections_to_addresses_that_stay_are_kept() {
        let mut turns = Turns::default();
        let now = Instant::now();
        turns.resolved(vec![address(1), address(2)], now, |a| fake(a, 100));
        turns.resolved(vec![address(3), address(2)], now, |a| fake(a, 200));
        assert_eq!(numbers(&mut turns, 2), [102, 203]);
    }

    #[test]
    fn one_that_strayed_comes_home_after_a_while() {
        let mut turns = Turns::default();
        let now = Instant::now();
        let strayed = |_| Fake {
            number: 7,
            strayed: Some(now),
        };
        turns.resolved(vec![address(1)], now, strayed);
        let home = |a| fake(a, 0);
        turns.resolved(vec![address(1)], now + STRAYED / 2, home);
        assert_eq!(numbers(&mut turns, 1), [7]);
        turns.resolved(vec![address(1)], now + STRAYED, home);
        assert_eq!(numbers(&mut turns, 1), [1]);
    }

    #[test]
    fn names_are_resolved_now_and_then_and_after_failures() {
        let mut turns: Turns<Fake> = Turns::default();
        let now = Instant::now();
        assert!(turns.is_due(now));
        assert!(!turns.is_due(now + RESOLVED / 2));
        assert!(turns.is_due(now + RESOLVED));
        turns.failed();
        assert!(!turns.is_due(now + RESOLVED));
        assert!(turns.is_due(now + RESOLVED + RESOLVED_MIN));
        assert!(!turns.is_due(now + RESOLVED + RESOLVED_MIN * 2));
    }

    #[test]
    fn many_addresses_are_too_many() {
        let mut turns = Turns::default();
        let all = (0..=u8::MAX).map(address).collect();
        let used = turns.resolved(all, Instant::now(), |a| fake(a, 0));
        assert_eq!(used.len(), ADDRESSES_MAX);
    }

    #[test]
    fn the_next_ones_stand_in() {
        let all = [address(1), address(2), address(3)];
        assert_eq!(
            order(&all, address(2)),
            [address(2), address(3), address(1)]
        );
        // Its own is gone.
        assert_eq!(order(&all, address(9)), all);
    }
}

//! Who waits to be let in. Without IO or clock.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
};

/// Connections that have no session yet, with what belongs to each. Their number is bounded, in all
/// and by address. Where there are too many the one that has waited longest goes: an agent needs
/// moments, and whoever keeps places taken gives them up to it.
#[derive(Debug)]
pub(super) struct Lobby<T> {
    max: usize,
    max_each: usize,
    next: u64,
    waiting: BTreeMap<u64, (IpAddr, T)>,
    by_address: HashMap<IpAddr, usize>,
}

impl<T> Lobby<T> {
    pub fn new(max: usize, max_each: usize) -> Self {
        Self {
            max,
            max_each,
            next: 0,
            waiting: BTreeMap::new(),
            by_address: HashMap::new(),
        }
    }

    /// One more from `address`: by which number it leaves, and who has to go for it.
    pub fn enter(&mut self, address: IpAddr, it: T) -> (u64, Option<T>) {
        let address = network(address);
        let crowd = self.by_address.get(&address).copied().unwrap_or_default();
        let oldest = if crowd >= self.max_each {
            let mut all = self.waiting.iter();
            all.find(|(_, (other, _))| *other == address)
                .map(|(number, _)| *number)
        } else if self.waiting.len() >= self.max {
            self.waiting.keys().next().copied()
        } else {
            None
        };
        let gone = oldest.and_then(|number| self.leave(number));
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, (address, it));
        *self.by_address.entry(address).or_default() += 1;
        (number, gone)
    }

    /// It waits no more.
    pub fn leave(&mut self, number: u64) -> Option<T> {
        let (address, it) = self.waiting.remove(&number)?;
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(it)
    }
}

/// Whoever has an address of IPv6 has all those that begin with the same 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_one_that_waited_longest_goes() {
        let mut lobby = Lobby::new(3, 2);
        let (a, b, c) = (
            address("10.0.0.1"),
            address("10.0.0.2"),
            address("10.0.0.3"),
        );
        assert_eq!(lobby.enter(a, "a1"), (0, None));
        assert_eq!(lobby.enter(b, "b1"), (1, None));
        assert_eq!(lobby.enter(b, "b2"), (2, None));
        assert_eq!(
            lobby.enter(b, "b3"),
            (3, Some("b1")),
            "its own address is full"
        );
        assert_eq!(lobby.enter(c, "c1"), (4, Some("a1")), "all is full");
        assert_eq!(lobby.leave(0), None, "it is gone already");
        assert_eq!(lobby.leave(2), Some("b2"));
        assert_eq!(lobby.enter(a, "a2"), (5, None));
        for number in 3..6 {
            assert!(lobby.leave(number).is_some());
        }
        assert!(lobby.by_address.is_empty() && lobby.waiting.is_empty());
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        assert_eq!(
            network(address("2001:db8:1:2::1")),
            network(address("2001:db8:1:2:ffff::"))
        );
        assert_ne!(
            network(address("2001:db8:1:2::1")),
            network(address("2001:db8:1:3::1"))
        );
        assert_eq!(network(address("::ffff:10.0.0.1")), address("10.0.0.1"));
        assert_ne!(network(address("10.0.0.1")), network(address("10.0.0.2")));
    }
}

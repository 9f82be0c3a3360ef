//! A fair queue: tenants take turns, each as many as it weighs, and within a tenant its
//! namespaces do, however much each of them has waiting.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
    time::Instant,
};

/// Those who take turns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// The tenant.
    pub tenant: Arc<str>,
    /// How many turns the tenant has for one of the others.
    pub weight: u32,
    /// The namespace, with its cluster.
    pub place: Place,
}

/// A namespace of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The cluster.
    pub cluster: Arc<str>,
    /// The namespace.
    pub namespace: Arc<str>,
}

/// A queue of items, each in it at most once: pushing it again moves it.
#[derive(Debug)]
pub struct Queue<T> {
    tenants: BTreeMap<Arc<str>, Tenant<T>>,
    turns: VecDeque<Arc<str>>,
    delayed: BTreeSet<(Instant, T)>,
    whereabouts: HashMap<T, Whereabouts>,
}

/// What a tenant has ready.
#[derive(Debug)]
struct Tenant<T> {
    weight: u32,
    /// Items that may still be taken in this turn.
    left: u32,
    ready: BTreeMap<Place, VecDeque<T>>,
    turns: VecDeque<Place>,
}

#[derive(Debug)]
enum Whereabouts {
    Ready(Share),
    Delayed(Instant, Share),
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            tenants: BTreeMap::new(),
            turns: VecDeque::new(),
            delayed: BTreeSet::new(),
            whereabouts: HashMap::new(),
        }
    }
}

impl<T: Clone + Ord + Hash> Queue<T> {
    /// Adds `item` for `share`, to be taken at once, or not before `due`.
    pub fn push(&mut self, share: Share, item: T, due: Option<Instant>) {
        self.remove(&item);
        match due {
            Some(due) => {
                self.delayed.insert((due, item.clone()));
                self.whereabouts
                    .insert(item, Whereabouts::Delayed(due, share));
            }
            None => self.push_ready(share, item),
        }
    }

    /// Takes the next item that is due.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        self.pop_of(now, |_| true)
    }

    /// Takes the next item that is due, of a tenant that `may` have one. The others keep their turn.
    pub fn pop_of(&mut self, now: Instant, may: impl Fn(&str) -> bool) -> Option<T> {
        self.ripen(now);
        let turn = self.turns.iter().position(|name| may(name))?;
        let name = self.turns[turn].clone();
        let tenant = self.tenants.get_mut(&name)?;
        let item = tenant.pop()?;
        tenant.left = tenant.left.saturating_sub(1);
        if tenant.turns.is_empty() {
            self.tenants.remove(&name);
            self.turns.remove(turn);
        } else if tenant.left == 0 {
            tenant.left = tenant.weight;
            self.turns.remove(turn);
            self.turns.push_back(name);
        }
        self.whereabouts.remove(&item);
        Some(item)
    }

    /// Removes `item`, wherever it is.
    pub fn remove(&mut self, item: &T) {
        match self.whereabouts.remove(item) {
            Some(Whereabouts::Delayed(due, _)) => {
                self.delayed.remove(&(due, item.clone()));
            }
            Some(Whereabouts::Ready(share)) => {
                let Some(tenant) = self.tenants.get_mut(&share.tenant) else {
                    return;
                };
                tenant.remove(&share.place, item);
                if tenant.turns.is_empty() {
                    self.tenants.remove(&share.tenant);
                    self.turns.retain(|other| *other != share.tenant);
                }
            }
            None => {}
        }
    }

    /// When the first of the delayed items is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.whereabouts.len()
    }

    fn ripen(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some((_, item)) = self.delayed.pop_first() else {
                return;
            };
            if let Some(Whereabouts::Delayed(_, share)) = self.whereabouts.remove(&item) {
                self.push_ready(share, item);
            }
        }
    }

    fn push_ready(&mut self, share: Share, item: T) {
        let tenant = self.tenants.entry(share.tenant.clone()).or_insert_with(|| {
            self.turns.push_back(share.tenant.clone());
            Tenant {
                weight: share.weight,
                left: share.weight,
                ready: BTreeMap::new(),
                turns: VecDeque::new(),
            }
        });
        // The newest counts: a reload may have changed it.
        tenant.weight = share.weight;
        tenant.push(share.place.clone(), item.clone());
        self.whereabouts.insert(item, Whereabouts::Ready(share));
    }
}

impl<T: PartialEq> Tenant<T> {
    fn push(&mut self, place: Place, item: T) {
        let items = self.ready.entry(place.clone()).or_default();
        if items.is_empty() {
            self.turns.push_back(place);
        }
        items.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        let place = self.turns.pop_front()?;
        let items = self.ready.get_mut(&place)?;
        let item = items.pop_front()?;
        if items.is_empty() {
            self.ready.remove(&place);
        } else {
            self.turns.push_back(place);
        }
        Some(item)
    }

    fn remove(&mut self, place: &Place, item: &T) {
        let Some(items) = self.ready.get_mut(place) else {
            return;
        };
        items.retain(|other| other != item);
        if items.is_empty() {
            self.ready.remove(place);
            self.turns.retain(|other| other != place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn of(tenant: &str, weight: u32, namespace: &str) -> Share {
        Share {
            tenant: tenant.into(),
            weight,
            place: Place {
                cluster: "c".into(),
                namespace: namespace.into(),
            },
        }
    }

    fn share(namespace: &str) -> Share {
        of("t", 1, namespace)
    }

    #[test]
    fn namespaces_take_turns() {
        let mut queue = Queue::default();
        for item in 0..100 {
            queue.push(share("many"), item, None);
        }
        queue.push(share("one"), 1000, None);
        let now = Instant::now();
        let taken: Vec<i32> = (0..3).filter_map(|_| queue.pop(now)).collect();
        assert_eq!(taken, [0, 1000, 1]);
    }

    #[test]
    fn a_tenant_of_many_namespaces_has_no_more_turns_than_one_of_a_single_one() {
        let mut queue = Queue::default();
        for item in 0..10_000 {
            queue.push(of("many", 1, &format!("ns-{}", item % 1000)), item, None);
        }
        let now = Instant::now();
        queue.pop(now);
        queue.push(of("one", 1, "ns"), 20_000, None);
        let ahead = std::iter::from_fn(|| queue.pop(now)).position(|item| item == 20_000);
        assert!(ahead.unwrap() <= 1, "{ahead:?}");
    }

    #[test]
    fn a_tenant_has_as_many_turns_as_it_weighs() {
        let mut queue = Queue::default();
        for item in 0..20 {
            queue.push(of("heavy", 3, "a"), item, None);
            queue.push(of("light", 1, "b"), 100 + item, None);
        }
        let now = Instant::now();
        let taken: Vec<i32> = (0..8).filter_map(|_| queue.pop(now)).collect();
        assert_eq!(taken, [0, 1, 2, 100, 3, 4, 5, 101]);
    }

    #[test]
    fn who_may_not_have_one_keeps_its_turn() {
        let mut queue = Queue::default();
        for item in 0..4 {
            queue.push(of("a", 1, "x"), item, None);
            queue.push(of("b", 1, "x"), 100 + item, None);
        }
        let now = Instant::now();
        let not_a = |tenant: &str| tenant != "a";
        assert_eq!(queue.pop_of(now, not_a), Some(100));
        assert_eq!(queue.pop_of(now, not_a), Some(101));
        assert_eq!(queue.pop_of(now, |_| false), None);
        let taken: Vec<i32> = std::iter::from_fn(|| queue.pop(now)).collect();
        assert_eq!(taken, [0, 102, 1, 103, 2, 3]);
    }

    #[test]
    fn delayed_items_wait() {
        let mut queue = Queue::default();
        let now = Instant::now();
        let due = now + Duration::from_secs(5);
        queue.push(share("a"), 1, Some(due));
        assert_eq!(queue.pop(now), None);
        assert_eq!(queue.next_due(), Some(due));
        assert_eq!(queue.pop(due), Some(1));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn pushing_again_moves() {
        let mut queue = Queue::default();
        let now = Instant::now();
        queue.push(share("a"), 1, Some(now + Duration::from_secs(5)));
        queue.push(share("a"), 1, None);
        assert_eq!((queue.len(), queue.next_due()), (1, None));
        assert_eq!(queue.pop(now), Some(1));
        assert_eq!(queue.pop(now + Duration::from_secs(9)), None);
    }

    proptest! {
        /// Whatever is pushed, moved and removed: each item comes out once, and nothing else.
        #[test]
        fn every_item_comes_out_once(steps in proptest::collection::vec((0_u8..4, 0_u8..3, 0_u8..12, 0_u64..4), 0..80)) {
            let mut queue = Queue::default();
            let start = Instant::now();
            let mut expected = BTreeSet::new();
            for (step, namespace, item, seconds) in steps {
                if step == 0 {
                    queue.remove(&item);
                    expected.remove(&item);
                } else {
                    let due = (seconds > 0).then(|| start + Duration::from_secs(seconds));
                    let tenant = (b'a' + item % 3) as char;
                    let weight = u32::from(namespace) + 1;
                    queue.push(of(&tenant.to_string(), weight, &namespace.to_string()), item, due);
                    expected.insert(item);
                }
                prop_assert_eq!(queue.len(), expected.len());
            }
            let end = start + Duration::from_mins(1);
            let mut taken: Vec<u8> = std::iter::from_fn(|| queue.pop(end)).collect();
            taken.sort_unstable();
            prop_assert_eq!(taken, expected.into_iter().collect::<Vec<_>>());
            prop_assert!(queue.turns.is_empty() && queue.tenants.is_empty() && queue.whereabouts.is_empty());
        }
    }
}

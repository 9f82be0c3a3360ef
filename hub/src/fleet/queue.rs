//! A fair queue: shares take turns, however much each of them has waiting.

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
    /// The cluster.
    pub cluster: Arc<str>,
    /// The namespace.
    pub namespace: Arc<str>,
}

/// A queue of items, each in it at most once: pushing it again moves it.
#[derive(Debug)]
pub struct Queue<T> {
    ready: BTreeMap<Share, VecDeque<T>>,
    turns: VecDeque<Share>,
    delayed: BTreeSet<(Instant, T)>,
    places: HashMap<T, Place>,
}

#[derive(Debug)]
enum Place {
    Ready(Share),
    Delayed(Instant, Share),
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            ready: BTreeMap::new(),
            turns: VecDeque::new(),
            delayed: BTreeSet::new(),
            places: HashMap::new(),
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
                self.places.insert(item, Place::Delayed(due, share));
            }
            None => self.push_ready(share, item),
        }
    }

    /// Takes the next item that is due.
    pub fn pop(&mut self, now: Instant) -> Option<T> {
        self.ripen(now);
        let share = self.turns.pop_front()?;
        let items = self.ready.get_mut(&share)?;
        let item = items.pop_front()?;
        if items.is_empty() {
            self.ready.remove(&share);
        } else {
            self.turns.push_back(share);
        }
        self.places.remove(&item);
        Some(item)
    }

    /// Removes `item`, wherever it is.
    pub fn remove(&mut self, item: &T) {
        match self.places.remove(item) {
            Some(Place::Delayed(due, _)) => {
                self.delayed.remove(&(due, item.clone()));
            }
            Some(Place::Ready(share)) => {
                let Some(items) = self.ready.get_mut(&share) else {
                    return;
                };
                items.retain(|other| other != item);
                if items.is_empty() {
                    self.ready.remove(&share);
                    self.turns.retain(|other| *other != share);
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
        self.places.len()
    }

    fn ripen(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some((_, item)) = self.delayed.pop_first() else {
                return;
            };
            if let Some(Place::Delayed(_, share)) = self.places.remove(&item) {
                self.push_ready(share, item);
            }
        }
    }

    fn push_ready(&mut self, share: Share, item: T) {
        let items = self.ready.entry(share.clone()).or_default();
        if items.is_empty() {
            self.turns.push_back(share.clone());
        }
        items.push_back(item.clone());
        self.places.insert(item, Place::Ready(share));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn share(namespace: &str) -> Share {
        Share {
            tenant: "t".into(),
            cluster: "c".into(),
            namespace: namespace.into(),
        }
    }

    #[test]
    fn shares_take_turns() {
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
                    queue.push(share(&namespace.to_string()), item, due);
                    expected.insert(item);
                }
                prop_assert_eq!(queue.len(), expected.len());
            }
            let end = start + Duration::from_mins(1);
            let mut taken: Vec<u8> = std::iter::from_fn(|| queue.pop(end)).collect();
            taken.sort_unstable();
            prop_assert_eq!(taken, expected.into_iter().collect::<Vec<_>>());
            prop_assert!(queue.turns.is_empty() && queue.ready.is_empty() && queue.places.is_empty());
        }
    }
}

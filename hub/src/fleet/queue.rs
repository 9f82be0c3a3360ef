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
mod tests;

//! How many sessions there may be, in all and of one cluster.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

/// Places for sessions.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    max_each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_cluster: HashMap<Arc<str>, usize>,
}

/// A place. It is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    cluster: Arc<str>,
}

impl Places {
    pub fn new(max: usize, max_each: usize) -> Self {
        Self {
            max,
            max_each,
            taken: Mutex::default(),
        }
    }

    /// A place for a session of `cluster`, if there is one.
    pub fn take(self: &Arc<Self>, cluster: &Arc<str>) -> Option<Place> {
        let mut taken = self.taken.lock();
        let of_cluster = taken.by_cluster.get(cluster).copied().unwrap_or_default();
        if taken.all >= self.max || of_cluster >= self.max_each {
            return None;
        }
        taken.all += 1;
        taken.by_cluster.insert(Arc::clone(cluster), of_cluster + 1);
        Some(Place {
            places: Arc::clone(self),
            cluster: Arc::clone(cluster),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        if let Some(count) = taken.by_cluster.get_mut(&self.cluster) {
            *count -= 1;
            if *count == 0 {
                taken.by_cluster.remove(&self.cluster);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cluster_cannot_take_the_places_of_others() {
        let places = Arc::new(Places::new(3, 2));
        let (east, west, north) = ("east".into(), "west".into(), "north".into());
        let first = places.take(&east).unwrap();
        let second = places.take(&east).unwrap();
        assert!(places.take(&east).is_none());
        let _third = places.take(&west).unwrap();
        assert!(places.take(&north).is_none(), "there are three");
        drop(first);
        assert!(places.take(&north).is_some());
        drop(second);
        assert!(!places.taken.lock().by_cluster.contains_key(&east));
    }
}

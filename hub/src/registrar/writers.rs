//! One writer at a time.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::package::Id;

/// So many names are remembered before those that nobody writes are forgotten.
const TIDY_AT: usize = 1024;

type Name = (String, String, String);

/// Who is writing which name. Two structures that race under one version leave FlyteAdmin
/// with the closure of one and the digest of the other, and racing activations leave several
/// schedules active: so project, domain and name are written by one at a time.
#[derive(Debug, Default)]
pub(super) struct Writers {
    names: Mutex<HashMap<Name, Weak<AsyncMutex<()>>>>,
}

impl Writers {
    /// Waits until nobody else writes this name, in the order of asking.
    pub(super) async fn admit(&self, id: &Id) -> OwnedMutexGuard<()> {
        let name = (id.project.clone(), id.domain.clone(), id.name.clone());
        let lock = {
            let mut names = self.names.lock();
            if names.len() >= TIDY_AT {
                names.retain(|_, lock| lock.strong_count() > 0);
            }
            let slot = names.entry(name).or_default();
            slot.upgrade().unwrap_or_else(|| {
                let lock = Arc::new(AsyncMutex::new(()));
                *slot = Arc::downgrade(&lock);
                lock
            })
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn id(name: &str, version: &str) -> Id {
        Id {
            project: "p".to_owned(),
            domain: "d".to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn one_at_a_time_per_name() {
        let writers = Writers::default();
        let first = writers.admit(&id("a", "v1")).now_or_never().unwrap();
        assert!(writers.admit(&id("a", "v2")).now_or_never().is_none());
        assert!(writers.admit(&id("b", "v1")).now_or_never().is_some());
        drop(first);
        assert!(writers.admit(&id("a", "v2")).now_or_never().is_some());
    }

    #[test]
    fn names_are_forgotten() {
        let writers = Writers::default();
        let held = writers.admit(&id("held", "v1")).now_or_never().unwrap();
        for name in 0..3 * TIDY_AT {
            writers
                .admit(&id(&name.to_string(), "v1"))
                .now_or_never()
                .unwrap();
        }
        assert!(writers.names.lock().len() <= TIDY_AT);
        assert!(writers.admit(&id("held", "v1")).now_or_never().is_none());
        drop(held);
    }
}

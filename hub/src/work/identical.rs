//! Identical work is done once: who asks while it is under way shares the outcome, and who
//! asks later is told what came of it.

use std::{collections::HashMap, future::Future, hash::Hash, num::NonZeroUsize};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use lru::LruCache;
use parking_lot::Mutex;

type Flight<V> = Shared<BoxFuture<'static, V>>;

/// Work by key.
#[derive(Debug)]
pub(super) struct Identical<K: Hash + Eq, V: Clone> {
    flights: Mutex<HashMap<K, WeakShared<BoxFuture<'static, V>>>>,
    done: Mutex<LruCache<K, V>>,
}

impl<K: Clone + Hash + Eq, V: Clone + Send + 'static> Identical<K, V> {
    /// Remembers the outcomes of the last `remembered` keys.
    pub fn new(remembered: NonZeroUsize) -> Self {
        Self {
            flights: Mutex::default(),
            done: Mutex::new(LruCache::new(remembered)),
        }
    }

    /// What was remembered for `key`.
    pub fn remembered(&self, key: &K) -> Option<V> {
        self.done.lock().get(key).cloned()
    }

    /// The outcome of the work under way for `key`, or else of `work`. It goes on as long as
    /// anybody waits for it.
    pub async fn share<F>(&self, key: K, work: impl FnOnce() -> F) -> V
    where
        F: Future<Output = V> + Send + 'static,
    {
        let flight = self.join(&key, work);
        let outcome = flight.clone().await;
        let mut flights = self.flights.lock();
        let over = flights
            .get(&key)
            .and_then(WeakShared::upgrade)
            .is_none_or(|other| other.ptr_eq(&flight));
        if over {
            flights.remove(&key);
        }
        outcome
    }

    /// Remembers `outcome` for `key`.
    pub fn remember(&self, key: K, outcome: V) {
        self.done.lock().put(key, outcome);
    }

    fn join<F>(&self, key: &K, work: impl FnOnce() -> F) -> Flight<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut flights = self.flights.lock();
        if let Some(flight) = flights.get(key).and_then(WeakShared::upgrade) {
            return flight;
        }
        // Flights that everybody left would else pile up.
        flights.retain(|_, flight| flight.upgrade().is_some());
        let flight = work().boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(key.clone(), weak);
        }
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::Notify;

    use super::*;

    fn identical() -> Arc<Identical<u8, usize>> {
        Arc::new(Identical::new(NonZeroUsize::MIN))
    }

    #[tokio::test]
    async fn who_asks_meanwhile_shares() {
        let (identical, runs, gate) = (
            identical(),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(Notify::new()),
        );
        let ask = |identical: Arc<Identical<u8, usize>>| {
            let (runs, gate) = (Arc::clone(&runs), Arc::clone(&gate));
            async move {
                let work = || async move {
                    gate.notified().await;
                    runs.fetch_add(1, Ordering::SeqCst)
                };
                identical.share(1, work).await
            }
        };
        let both = futures::future::join(ask(Arc::clone(&identical)), ask(Arc::clone(&identical)));
        let opens = async { gate.notify_one() };
        assert_eq!(futures::future::join(both, opens).await.0, (0, 0));
        gate.notify_one();
        assert_eq!(ask(identical).await, 1, "what has ended is not shared");
    }

    #[tokio::test]
    async fn work_outlives_the_one_who_began_it() {
        let (identical, gate) = (identical(), Arc::new(Notify::new()));
        let opened = Arc::clone(&gate);
        let first = tokio::spawn({
            let identical = Arc::clone(&identical);
            async move {
                identical
                    .share(1, || async move {
                        opened.notified().await;
                        7
                    })
                    .await
            }
        });
        while identical.flights.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        let second = identical.join(&1, || async { 8 });
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        gate.notify_one();
        assert_eq!(second.await, 7);
    }
}

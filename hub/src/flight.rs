//! Identical work in flight is done once.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;

type Work<T> = Shared<BoxFuture<'static, T>>;
type Waiting<K, T> = Mutex<HashMap<K, (u64, WeakShared<BoxFuture<'static, T>>)>>;

/// Work in flight, by key. Whoever waits drives it; it ends when the last one stops waiting.
pub(crate) struct Flights<K, T> {
    waiting: Arc<Waiting<K, T>>,
    next: AtomicU64,
}

impl<K, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self {
            waiting: Arc::default(),
            next: AtomicU64::new(0),
        }
    }
}

impl<K, T> Flights<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// The result of the work in flight under `key`, or else of `start`.
    pub(crate) async fn join<F>(&self, key: K, start: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        let work = {
            let mut waiting = self.waiting.lock();
            let under_way = waiting.get(&key).and_then(|(_, work)| work.upgrade());
            under_way.unwrap_or_else(|| {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let landing = Landing {
                    waiting: Arc::clone(&self.waiting),
                    key: key.clone(),
                    number,
                };
                let work: Work<T> = with_landing(start(), landing).boxed().shared();
                if let Some(weak) = work.downgrade() {
                    waiting.insert(key, (number, weak));
                }
                work
            })
        };
        work.await
    }
}

async fn with_landing<F: Future>(work: F, landing: impl Send) -> F::Output {
    let result = work.await;
    drop(landing);
    result
}

/// Takes the work off the list, be it done or given up.
struct Landing<K: Eq + Hash, T> {
    waiting: Arc<Waiting<K, T>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, T> Drop for Landing<K, T> {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        // Work that was given up may have been begun again under the same key.
        if waiting
            .get(&self.key)
            .is_some_and(|(number, _)| *number == self.number)
        {
            waiting.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn many_wait_for_one() {
        let flights = Flights::<u8, usize>::default();
        let (started, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let join = |key| {
            let (started, go) = (Arc::clone(&started), Arc::clone(&go));
            flights.join(key, move || async move {
                let number = started.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                number
            })
        };
        let all = futures::future::join_all((0..100).map(|_| join(1)));
        let (results, ()) = futures::join!(all, async { go.notify_one() });
        assert_eq!(results, vec![0; 100]);

        go.notify_one();
        assert_eq!(join(1).await, 1, "what has landed is not used again");
        assert!(flights.waiting.lock().is_empty());
    }

    #[tokio::test]
    async fn work_that_all_gave_up_is_begun_again() {
        let flights = Flights::<u8, u8>::default();
        let first = flights.join(1, std::future::pending);
        assert!(first.now_or_never().is_none());
        assert!(flights.waiting.lock().is_empty());
        assert_eq!(flights.join(1, || async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn the_first_may_leave() {
        let flights = Flights::<u8, u8>::default();
        let go = Arc::new(Notify::new());
        let mut first = Box::pin(flights.join(1, || {
            let go = Arc::clone(&go);
            async move {
                go.notified().await;
                7
            }
        }));
        assert!(futures::poll!(&mut first).is_pending());
        let mut second = Box::pin(flights.join(1, || async { 8 }));
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        go.notify_one();
        assert_eq!(second.await, 7);
    }
}

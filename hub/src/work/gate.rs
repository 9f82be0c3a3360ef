//! Places that whoever wants one takes in fair turns.

use std::{collections::HashMap, sync::Arc, time::Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::fleet::queue::{Queue, Share};

/// A bounded number of places. Who finds them taken waits, and tenants take turns: one that has
/// much waiting delays nobody else's first.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    free: usize,
    waiting: Queue<u64>,
    callers: HashMap<u64, oneshot::Sender<Place>>,
    next: u64,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place(Gate);

impl Gate {
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            free: places,
            waiting: Queue::default(),
            callers: HashMap::new(),
            next: 0,
        })))
    }

    /// Waits for a place, in the turn of `share`.
    pub async fn enter(&self, share: Share) -> Place {
        let (number, turn) = {
            let mut inner = self.0.lock();
            if inner.free > 0 {
                inner.free -= 1;
                return Place(self.clone());
            }
            let number = inner.next;
            inner.next += 1;
            let (caller, turn) = oneshot::channel();
            inner.waiting.push(share, number, None);
            inner.callers.insert(number, caller);
            (number, turn)
        };
        // Whoever stops waiting is not called, or gives the place on.
        let waiting = Waiting { gate: self, number };
        let place = turn.await;
        drop(waiting);
        // The caller is dropped by `Waiting` alone.
        place.unwrap_or_else(|_| Place(self.clone()))
    }
}

struct Waiting<'a> {
    gate: &'a Gate,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut inner = self.gate.0.lock();
        inner.waiting.remove(&self.number);
        inner.callers.remove(&self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let caller = {
            let mut inner = self.0.0.lock();
            let next = inner.waiting.pop(Instant::now());
            let caller = next.and_then(|number| inner.callers.remove(&number));
            if caller.is_none() {
                inner.free += 1;
            }
            caller
        };
        if let Some(caller) = caller {
            // Who does not wait any more drops what it is sent, and so calls the next.
            let _ = caller.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::fleet::queue;

    fn share(tenant: &str) -> Share {
        Share {
            tenant: tenant.into(),
            weight: 1,
            place: queue::Place {
                cluster: "c".into(),
                namespace: "n".into(),
            },
        }
    }

    #[test]
    fn tenants_take_turns() {
        let gate = Gate::new(1);
        let held = gate.enter(share("many")).now_or_never().unwrap();
        let mut many: Vec<_> = (0..10)
            .map(|_| Box::pin(gate.enter(share("many"))))
            .collect();
        for waiting in &mut many {
            assert!(waiting.now_or_never().is_none());
        }
        let mut one = Box::pin(gate.enter(share("one")));
        assert!((&mut one).now_or_never().is_none());
        drop(held);
        let held = (&mut many[0]).now_or_never().expect("the first");
        assert!((&mut one).now_or_never().is_none());
        drop(held);
        assert!(
            (&mut one).now_or_never().is_some(),
            "and then the other tenant"
        );
    }

    #[test]
    fn who_stops_waiting_loses_no_place() {
        let gate = Gate::new(1);
        let held = gate.enter(share("a")).now_or_never().unwrap();
        let mut gone = Box::pin(gate.enter(share("a")));
        let mut called = Box::pin(gate.enter(share("a")));
        let mut last = Box::pin(gate.enter(share("a")));
        for waiting in [&mut gone, &mut called, &mut last] {
            assert!(waiting.now_or_never().is_none());
        }
        drop(gone);
        drop(held);
        // Called, but it never comes to know.
        drop(called);
        let held = (&mut last).now_or_never().expect("the place went on");
        assert!(gate.enter(share("a")).now_or_never().is_none());
        drop(held);
        drop(last);
        assert!(gate.enter(share("a")).now_or_never().is_some());
    }
}

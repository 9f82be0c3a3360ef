//! Places that whoever wants one takes in fair turns, and none takes all of.

use std::{collections::HashMap, sync::Arc, time::Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::fleet::queue::{Queue, Share};

/// A bounded number of places. Who finds them taken waits, and tenants take turns: one that has
/// much waiting delays nobody else's first. Nor does one whose work takes long: where there are
/// several places, the last free one is for a tenant that has fewer.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    free: usize,
    taken: Taken,
    waiting: Queue<u64>,
    callers: HashMap<u64, Caller>,
    next: u64,
}

/// How many places each tenant has.
#[derive(Debug)]
struct Taken {
    most: usize,
    by: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct Caller {
    tenant: Arc<str>,
    called: oneshot::Sender<Place>,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    gate: Gate,
    tenant: Arc<str>,
}

impl Gate {
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            free: places,
            taken: Taken {
                most: places.saturating_sub(1).max(1),
                by: HashMap::new(),
            },
            waiting: Queue::default(),
            callers: HashMap::new(),
            next: 0,
        })))
    }

    /// Waits for a place, in the turn of `share`.
    pub async fn enter(&self, share: Share) -> Place {
        loop {
            let (waiting, turn) = match self.ask(share.clone()) {
                Ok(place) => return place,
                Err(waits) => waits,
            };
            // The caller is dropped by `Waiting` alone, so that it is called.
            let called = turn.await;
            drop(waiting);
            if let Ok(place) = called {
                return place;
            }
        }
    }

    /// A place, or what to wait for. Whoever stops waiting is not called, or gives the place on.
    fn ask(&self, share: Share) -> Result<Place, (Waiting<'_>, oneshot::Receiver<Place>)> {
        let mut inner = self.0.lock();
        let tenant = share.tenant.clone();
        if inner.free > 0 && inner.taken.may_grow(&tenant) {
            inner.take(&tenant);
            let gate = self.clone();
            return Ok(Place { gate, tenant });
        }
        let number = inner.next;
        inner.next += 1;
        let (called, turn) = oneshot::channel();
        inner.waiting.push(share, number, None);
        inner.callers.insert(number, Caller { tenant, called });
        Err((Waiting { gate: self, number }, turn))
    }
}

impl Inner {
    fn take(&mut self, tenant: &Arc<str>) {
        self.free -= 1;
        *self.taken.by.entry(Arc::clone(tenant)).or_default() += 1;
    }

    fn give_back(&mut self, tenant: &str) {
        self.free += 1;
        if let Some(taken) = self.taken.by.get_mut(tenant) {
            *taken -= 1;
            if *taken == 0 {
                self.taken.by.remove(tenant);
            }
        }
    }

    /// The next one who waits takes a place, if there is one for it.
    fn call(&mut self) -> Option<Caller> {
        if self.free == 0 {
            return None;
        }
        let may = |tenant: &str| self.taken.may_grow(tenant);
        let number = self.waiting.pop_of(Instant::now(), may)?;
        let caller = self.callers.remove(&number)?;
        self.take(&caller.tenant);
        Some(caller)
    }
}

impl Taken {
    fn may_grow(&self, tenant: &str) -> bool {
        self.by.get(tenant).is_none_or(|taken| *taken < self.most)
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
            let mut inner = self.gate.0.lock();
            inner.give_back(&self.tenant);
            inner.call()
        };
        if let Some(Caller { tenant, called }) = caller {
            let gate = self.gate.clone();
            // Who does not wait any more drops what it is sent, and so calls the next.
            let _ = called.send(Self { gate, tenant });
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
    fn no_tenant_has_all_places() {
        let gate = Gate::new(3);
        let mut many = Vec::new();
        for _ in 0..2 {
            many.push(gate.enter(share("many")).now_or_never().unwrap());
        }
        let mut third = Box::pin(gate.enter(share("many")));
        assert!((&mut third).now_or_never().is_none());
        let one = gate.enter(share("one")).now_or_never().expect("the last");
        let mut another = Box::pin(gate.enter(share("another")));
        assert!((&mut another).now_or_never().is_none());
        drop(one);
        let another = (&mut another).now_or_never().expect("not the third");
        assert!((&mut third).now_or_never().is_none());
        drop(many.pop());
        drop((&mut third).now_or_never().expect("in place of its own"));
        drop((another, many));
        let inner = gate.0.lock();
        assert_eq!((inner.free, inner.taken.by.len()), (3, 0));
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

//! A connection as long as it is looked upon as a guest: with a session, or with the time to get one.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::lobby::Lobby;

/// The lobby, with what ends each connection in it.
pub(super) type Hall = Mutex<Lobby<CancellationToken>>;

/// One connection.
#[derive(Debug)]
pub(in crate::gateway) struct Guest {
    hall: Arc<Hall>,
    number: u64,
    /// Cancelled when its place is wanted by another.
    pub(super) evicted: CancellationToken,
    sessions: AtomicUsize,
}

impl Guest {
    /// Lets one in, for which another may have to go.
    pub(super) fn enter(hall: &Arc<Hall>, address: std::net::IpAddr) -> Arc<Self> {
        let evicted = CancellationToken::new();
        let (number, other) = hall.lock().enter(address, evicted.clone());
        if let Some(other) = other {
            other.cancel();
        }
        Arc::new(Self {
            hall: Arc::clone(hall),
            number,
            evicted,
            sessions: AtomicUsize::new(0),
        })
    }

    /// It has a session: it waits no more, and may stay as long as it has one.
    pub fn admit(self: &Arc<Self>) -> Stay {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        self.hall.lock().leave(self.number);
        Stay(Arc::clone(self))
    }

    pub(super) fn has_session(&self) -> bool {
        self.sessions.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.hall.lock().leave(self.number);
    }
}

/// One session of a connection, until it is dropped.
#[derive(Debug)]
pub(in crate::gateway) struct Stay(Arc<Guest>);

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

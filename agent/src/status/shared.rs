//! The desk, shared between the link, which brings what the hub wants, and the writer.

use parking_lot::Mutex;
use tokio::sync::Notify;

use flyte_registration_proto::hub::v1 as proto;

use super::{Desk, Wanted};
use crate::watch::Key;

/// The desk and its two ends.
#[derive(Debug, Default)]
pub struct SharedDesk {
    desk: Mutex<Desk>,
    wanted: Notify,
    written: Notify,
}

impl SharedDesk {
    /// The hub wants a status.
    pub fn want(&self, key: Key, wanted: Wanted) {
        self.desk.lock().want(key, wanted);
        self.wanted.notify_one();
    }

    /// The hub is done with a deletion.
    pub fn release(&self, key: Key, uid: String) {
        self.desk.lock().release(key, uid);
        self.wanted.notify_one();
    }

    /// Waits until something was written.
    pub async fn written(&self) {
        self.written.notified().await;
    }

    /// Takes what was written, or found written.
    pub fn take_written(&self) -> Vec<(Key, proto::StatusWritten)> {
        self.desk.lock().take_written()
    }

    /// Waits until the hub wants something.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// For the writer, which may already hold the index; never the other way round.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Desk) -> T) -> T {
        let mut desk = self.desk.lock();
        let result = work(&mut desk);
        if desk.has_written() {
            self.written.notify_one();
        }
        result
    }
}

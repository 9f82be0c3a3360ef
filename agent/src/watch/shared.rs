//! The index, shared between the watches that feed it and those who read it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::{Change, Index, Key};

/// Which changes a reader wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Those that the hub would see.
    Wire,
    /// All, the version in the cluster included.
    Any,
}

/// The objects that changed since a reader last looked. A set and no queue: of each object
/// only the newest state matters, and a slow reader costs no memory.
#[derive(Debug)]
pub struct Dirty {
    interest: Interest,
    keys: Mutex<BTreeSet<Key>>,
    notify: Notify,
}

impl Dirty {
    /// Waits until there is something to take.
    pub async fn changed(&self) {
        self.notify.notified().await;
    }

    /// Takes what changed.
    pub fn take(&self) -> BTreeSet<Key> {
        std::mem::take(&mut *self.keys.lock())
    }

    fn mark(&self, changes: &[Change]) {
        let wanted = |it: &&Change| it.wire || self.interest == Interest::Any;
        let mut keys = self.keys.lock();
        keys.extend(changes.iter().filter(wanted).map(|it| it.key.clone()));
        if !keys.is_empty() {
            self.notify.notify_one();
        }
    }
}

/// The index and its readers.
#[derive(Debug)]
pub struct Shared {
    index: Mutex<Index>,
    readers: Mutex<Vec<Weak<Dirty>>>,
    complete: watch::Sender<bool>,
}

impl Shared {
    /// Shares `index`.
    pub fn new(index: Index) -> Self {
        Self {
            index: Mutex::new(index),
            readers: Mutex::default(),
            complete: watch::Sender::new(false),
        }
    }

    /// Changes the index, and tells the readers what changed.
    pub fn update(&self, update: impl FnOnce(&mut Index) -> Vec<Change>) {
        let (changes, complete) = {
            let mut index = self.index.lock();
            (update(&mut index), index.is_complete())
        };
        self.complete
            .send_if_modified(|before| std::mem::replace(before, complete) != complete);
        if changes.is_empty() {
            return;
        }
        self.readers.lock().retain(|reader| match reader.upgrade() {
            Some(reader) => {
                reader.mark(&changes);
                true
            }
            None => false,
        });
    }

    /// Looks something up. No other task gets at the index meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(&Index) -> T) -> T {
        read(&self.index.lock())
    }

    /// A new reader. What changed before is not told: look it up after this call.
    pub fn subscribe(&self, interest: Interest) -> Arc<Dirty> {
        let reader = Arc::new(Dirty {
            interest,
            keys: Mutex::default(),
            notify: Notify::new(),
        });
        self.readers.lock().push(Arc::downgrade(&reader));
        reader
    }

    /// Whether every source has been listed, as it changes.
    pub fn complete(&self) -> watch::Receiver<bool> {
        self.complete.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::watch::{Source, object::tests::observed};

    #[tokio::test]
    async fn readers_hear_of_what_interests_them() {
        let source = Source::Registrations(None);
        let shared = Shared::new(Index::new(std::slice::from_ref(&source)));
        let (wire, any) = (
            shared.subscribe(Interest::Wire),
            shared.subscribe(Interest::Any),
        );
        shared.update(|index| index.apply(&source, observed("ns", "a", "u", 1, json!({}))));
        wire.changed().await;
        any.changed().await;
        assert_eq!(wire.take(), BTreeSet::from([Key::new("ns", "a")]));
        assert_eq!(wire.take(), BTreeSet::new());
        any.take();

        let newer = observed(
            "ns",
            "a",
            "u",
            1,
            json!({"metadata": {"resourceVersion": "9"}}),
        );
        shared.update(|index| index.apply(&source, newer));
        assert_eq!(wire.take(), BTreeSet::new());
        assert_eq!(any.take(), BTreeSet::from([Key::new("ns", "a")]));

        drop(wire);
        shared.update(|index| index.remove(&Key::new("ns", "a")));
        assert_eq!(shared.readers.lock().len(), 1, "who is gone is forgotten");
    }

    #[test]
    fn completeness_is_told() {
        let source = Source::Registrations(None);
        let shared = Shared::new(Index::new(std::slice::from_ref(&source)));
        let complete = shared.complete();
        assert!(!*complete.borrow());
        shared.update(|index| index.complete(&source));
        assert!(*complete.borrow());
    }
}

//! The index of what is in the cluster: pure, fed by watch events, read by the link and by
//! the status writer.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use flyte_registration_proto::hub::v1 as proto;

use super::{Key, Observed};

/// Labels of a namespace.
pub type Labels = BTreeMap<String, String>;

/// Largest labels of one namespace that are relayed, in bytes; larger ones count as none.
const LABELS_MAX: usize = 64 * 1024;

/// One watch, and so one list that is complete or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The `FlyteRegistration`s of this namespace, or of all.
    Registrations(Option<String>),
    /// This namespace itself, or all.
    Namespaces(Option<String>),
}

impl Source {
    fn covers(&self, namespace: &str) -> bool {
        let (Self::Registrations(scope) | Self::Namespaces(scope)) = self;
        scope.as_deref().is_none_or(|it| it == namespace)
    }

    /// The watches that `namespaces` needs; empty means all namespaces.
    pub fn all_of(namespaces: &[String]) -> Vec<Self> {
        let scopes: Vec<Option<String>> = match namespaces {
            [] => vec![None],
            some => some.iter().cloned().map(Some).collect(),
        };
        scopes
            .into_iter()
            .flat_map(|it| [Self::Registrations(it.clone()), Self::Namespaces(it)])
            .collect()
    }
}

/// An object that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which one.
    pub key: Key,
    /// Whether the hub would see a difference.
    pub wire: bool,
}

#[derive(Debug, Default)]
struct List {
    /// Counts the lists that were begun, so that what an older one showed can be told.
    epoch: u64,
    complete: bool,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    epoch: u64,
}

/// What is in the cluster, as far as the watches go.
#[derive(Debug, Default)]
pub struct Index {
    lists: HashMap<Source, List>,
    objects: BTreeMap<Key, Entry<Observed>>,
    namespaces: BTreeMap<String, Entry<Labels>>,
}

impl Index {
    /// An empty index that `sources` will feed.
    pub fn new(sources: &[Source]) -> Self {
        let lists = sources.iter().map(|it| (it.clone(), List::default()));
        Self {
            lists: lists.collect(),
            ..Self::default()
        }
    }

    /// Whether every source has been listed once.
    pub fn is_complete(&self) -> bool {
        self.lists.values().all(|it| it.complete)
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object of this name.
    pub fn observed(&self, key: &Key) -> Option<&Observed> {
        self.objects.get(key).map(|it| &it.value)
    }

    /// The names of all objects.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.objects.keys()
    }

    /// What the hub is told of the object of this name. `None` also as long as its namespace
    /// is unknown: without labels it might be denied what it may have.
    pub fn wire(&self, key: &Key) -> Option<proto::Object> {
        self.joined(self.observed(key)?)
    }

    /// The first object after `key` that the hub may be told of.
    pub fn wire_after(&self, key: Option<&Key>) -> Option<(Key, proto::Object)> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.objects
            .range((start, Bound::Unbounded))
            .find_map(|(key, entry)| Some((key.clone(), self.joined(&entry.value)?)))
    }

    fn joined(&self, observed: &Observed) -> Option<proto::Object> {
        let mut object = observed.wire.clone();
        let labels = &self.namespaces.get(&object.key.as_ref()?.namespace)?.value;
        object.namespace_labels = labels.clone().into_iter().collect();
        Some(object)
    }

    /// A list of `source` begins.
    pub fn restart(&mut self, source: &Source) {
        if let Some(list) = self.lists.get_mut(source) {
            list.epoch += 1;
        }
    }

    /// The list of `source` is complete: what it did not show is gone.
    pub fn complete(&mut self, source: &Source) -> Vec<Change> {
        let Some(list) = self.lists.get_mut(source) else {
            return Vec::new();
        };
        list.complete = true;
        let epoch = list.epoch;
        match source {
            Source::Registrations(_) => {
                let gone = |(key, entry): &(&Key, &Entry<Observed>)| {
                    entry.epoch < epoch && source.covers(&key.namespace)
                };
                let gone: Vec<Key> = self
                    .objects
                    .iter()
                    .filter(gone)
                    .map(|it| it.0.clone())
                    .collect();
                gone.iter().flat_map(|key| self.remove(key)).collect()
            }
            Source::Namespaces(_) => {
                let gone = |(name, entry): &(&String, &Entry<Labels>)| {
                    entry.epoch < epoch && source.covers(name)
                };
                let gone: Vec<String> = self
                    .namespaces
                    .iter()
                    .filter(gone)
                    .map(|it| it.0.clone())
                    .collect();
                gone.iter()
                    .flat_map(|name| self.remove_namespace(name))
                    .collect()
            }
        }
    }

    /// `source` shows an object.
    pub fn apply(&mut self, source: &Source, object: Observed) -> Vec<Change> {
        let key = object.key();
        let epoch = self.epoch(source);
        let entry = Entry {
            value: object,
            epoch,
        };
        match self.objects.insert(key.clone(), entry) {
            Some(before) => {
                let now = &self.objects[&key].value;
                if before.value == *now {
                    return Vec::new();
                }
                let wire = before.value.wire != now.wire;
                vec![Change { key, wire }]
            }
            None => vec![Change { key, wire: true }],
        }
    }

    /// An object was deleted.
    pub fn remove(&mut self, key: &Key) -> Vec<Change> {
        let gone = self.objects.remove(key);
        gone.map(|_| Change {
            key: key.clone(),
            wire: true,
        })
        .into_iter()
        .collect()
    }

    /// `source` shows a namespace.
    pub fn apply_namespace(&mut self, source: &Source, name: &str, labels: Labels) -> Vec<Change> {
        let epoch = self.epoch(source);
        let size: usize = labels
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let value = if size > LABELS_MAX {
            Labels::new()
        } else {
            labels
        };
        let same = self
            .namespaces
            .get(name)
            .is_some_and(|it| it.value == value);
        self.namespaces
            .insert(name.to_owned(), Entry { value, epoch });
        if same { Vec::new() } else { self.all_in(name) }
    }

    /// A namespace was deleted.
    pub fn remove_namespace(&mut self, name: &str) -> Vec<Change> {
        match self.namespaces.remove(name) {
            Some(_) => self.all_in(name),
            None => Vec::new(),
        }
    }

    fn epoch(&self, source: &Source) -> u64 {
        self.lists.get(source).map_or(0, |it| it.epoch)
    }

    fn all_in(&self, namespace: &str) -> Vec<Change> {
        let from = Key::new(namespace, "");
        self.objects
            .range(from..)
            .take_while(|(key, _)| key.namespace == namespace)
            .map(|(key, _)| Change {
                key: key.clone(),
                wire: true,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;

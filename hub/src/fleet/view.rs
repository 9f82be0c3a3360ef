//! The index as people look at it: a page at a time, so that nobody holds it up.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use bytes::Bytes;
use flyte_registration_crd::{Reason, bounded};
use jiff::Timestamp;

use super::{Fleet, Key, ObjectId, entry::Entry, render::Shown};
use crate::receipt;

/// Entries that are looked at for one page.
const LOOKED_AT_MAX: usize = 2000;
/// Longest text of a spec that is shown; one that keeps the rules is shorter.
const TEXT_MAX: usize = 512;

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// Its name.
    pub name: Arc<str>,
    /// Its agent has a session.
    pub connected: bool,
    /// The version of the agent that was connected last.
    pub agent_version: String,
    /// When its agent last said something.
    pub last_seen: Option<Timestamp>,
    /// How many resources show which reason. `None`: being deleted.
    pub resources: BTreeMap<Option<Reason>, u64>,
}

/// A resource.
#[derive(Clone, Debug)]
pub struct RegistrationView {
    /// Cluster, namespace and name.
    pub id: ObjectId,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.generation`
    pub generation: i64,
    /// Project, domain, version; empty where the spec cannot be read.
    pub target: [String; 3],
    /// Why it is as it is. `None`: it is being deleted.
    pub reason: Option<Reason>,
    /// What it shows.
    pub shows: Shows,
}

/// What a resource shows.
#[derive(Clone, Debug)]
pub enum Shows {
    /// Nothing yet.
    Nothing,
    /// This status, as JSON.
    Status(Bytes),
    /// What was registered before this hub began.
    Receipt(Box<receipt::Payload>),
}

/// Which resources are looked for. `None`: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this cluster.
    pub cluster: Option<String>,
    /// Of this namespace.
    pub namespace: Option<String>,
    /// For this Flyte project.
    pub project: Option<String>,
    /// With this reason.
    pub reason: Option<Reason>,
}

/// Some resources.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Those that were found, by cluster, namespace and name.
    pub items: Vec<RegistrationView>,
    /// After which to look on, unless all were looked at.
    pub next: Option<ObjectId>,
}

impl Fleet {
    /// The names of the clusters that have been connected, in order.
    pub fn cluster_names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.clusters.keys().cloned().collect();
        names.sort();
        names
    }

    /// One of them.
    pub fn cluster(&self, name: &str) -> Option<ClusterView> {
        let (name, cluster) = self.clusters.get_key_value(name)?;
        let mut resources = BTreeMap::new();
        for entry in cluster.entries.values() {
            *resources.entry(entry.reason()).or_default() += 1;
        }
        Some(ClusterView {
            name: Arc::clone(name),
            connected: cluster.session.is_some(),
            agent_version: cluster.agent_version.clone(),
            last_seen: cluster.last_seen,
            resources,
        })
    }

    /// The next resources that are `wanted`, at most `limit`. It may be fewer, or none, although
    /// there are more: at most some entries are looked at.
    pub fn registrations(&self, wanted: &Wanted, after: Option<&ObjectId>, limit: usize) -> Page {
        let mut page = Page::default();
        let mut looked_at = 0;
        for name in self.cluster_names() {
            let is_wanted = wanted
                .cluster
                .as_deref()
                .is_none_or(|wanted| *wanted == *name);
            if !is_wanted || after.is_some_and(|after| name < after.cluster) {
                continue;
            }
            let Some(cluster) = self.clusters.get(&name) else {
                continue;
            };
            let begin = match after {
                Some(after) if after.cluster == name => Excluded(&after.key),
                _ => Unbounded,
            };
            for (key, entry) in cluster.entries.range::<Key, _>((begin, Unbounded)) {
                looked_at += 1;
                let id = || ObjectId {
                    cluster: Arc::clone(&name),
                    key: key.clone(),
                };
                if wanted.lets_pass(key, entry) {
                    page.items.push(entry.view(id()));
                }
                if looked_at == LOOKED_AT_MAX || page.items.len() == limit {
                    page.next = Some(id());
                    return page;
                }
            }
        }
        page
    }
}

impl Wanted {
    fn lets_pass(&self, key: &Key, entry: &Entry) -> bool {
        let project = || {
            let spec = entry.observed.spec.as_ref().ok();
            spec.map(|spec| spec.workflow_project.as_str())
        };
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == value
        };
        is(&self.namespace, Some(&key.namespace))
            && (self.project.is_none() || is(&self.project, project()))
            && self
                .reason
                .is_none_or(|reason| entry.reason() == Some(reason))
    }
}

impl Entry {
    fn view(&self, id: ObjectId) -> RegistrationView {
        let target = self.observed.spec.as_ref().map_or_else(
            |_| <[String; 3]>::default(),
            |spec| {
                [
                    &spec.workflow_project,
                    &spec.workflow_domain,
                    &spec.workflow_version,
                ]
                .map(|text| bounded(text, TEXT_MAX))
            },
        );
        RegistrationView {
            id,
            uid: self.observed.uid.clone(),
            generation: self.observed.generation,
            target,
            reason: self.reason(),
            shows: match &self.shown {
                Shown::Nothing => Shows::Nothing,
                Shown::Status { json, .. } => Shows::Status(json.clone()),
                Shown::Receipt(payload) => Shows::Receipt(payload.clone()),
            },
        }
    }
}

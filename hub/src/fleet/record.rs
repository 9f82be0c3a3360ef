//! Refusals go on record before anybody is told of them.

use flyte_registration_crd::Reason;

use super::{
    Fleet, Now, ObjectId, Observed, Ticket,
    entry::{Entry, Phase},
    policy::Refusal,
    render::{Facts, Shown},
};

/// The resource that asks for something, as the agent of its cluster saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Cluster, namespace and name.
    pub id: ObjectId,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.generation`
    pub generation: i64,
    /// The reconcile request, if there is one.
    pub request: Option<String>,
    /// The field manager that wrote it last. A claim, which anybody may make.
    pub last_manager: String,
}

/// A refusal that is not on record yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrecorded {
    /// To report by.
    pub ticket: Ticket,
    /// Who asks.
    pub origin: Origin,
    /// For what; `None` where the spec breaks the rules, so that it may be anything.
    pub wanted: Option<Asked>,
    /// Why not.
    pub refusal: Refusal,
}

/// What a spec asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `spec.workflowProject`
    pub project: String,
    /// `spec.workflowDomain`
    pub domain: String,
    /// `spec.workflowVersion`
    pub version: String,
    /// `spec.workflowPackageUri`
    pub package_uri: String,
}

impl Fleet {
    /// The oldest refusals that are to be put on record, at most `limit`.
    pub fn unrecorded(&self, limit: usize) -> Vec<Unrecorded> {
        let oldest = self.unrecorded.iter().take(limit);
        let unrecorded = oldest.filter_map(|(ticket, id)| {
            let entry = self.clusters.get(&id.cluster)?.entries.get(&id.key)?;
            let Phase::Unrecorded(_, refusal) = &entry.phase else {
                return None;
            };
            Some(Unrecorded {
                ticket: *ticket,
                origin: entry.observed.origin(id),
                wanted: entry.observed.asked(),
                refusal: refusal.clone(),
            })
        });
        unrecorded.collect()
    }

    /// These are on record, and may be told.
    pub fn recorded(&mut self, tickets: &[Ticket], now: Now) {
        for ticket in tickets {
            let Some(id) = self.unrecorded.remove(ticket) else {
                continue;
            };
            self.show_unrecorded(&id, now, |entry, refusal| {
                entry.phase = Phase::Settled;
                entry.show(refusal.reason, &refusal.message, Facts::default(), now);
            });
        }
    }

    /// These cannot be put on record for now, because of `problem`.
    pub fn unrecordable(&mut self, tickets: &[Ticket], problem: &str, now: Now) {
        for ticket in tickets {
            let Some(id) = self.unrecorded.get(ticket).cloned() else {
                continue;
            };
            self.show_unrecorded(&id, now, |entry, _| {
                if entry.shown.reason() != Some(Reason::AuditUnavailable) {
                    entry.show(Reason::AuditUnavailable, problem, Facts::default(), now);
                }
            });
        }
    }

    /// Nothing is told of `id` until its refusal is on record.
    pub(super) fn await_record(&mut self, id: &ObjectId, refusal: Refusal) {
        let ticket = self.next_ticket();
        let Some((_, entry)) = super::entry_of(&mut self.clusters, id) else {
            return;
        };
        entry.phase = Phase::Unrecorded(ticket, refusal);
        entry.shown = Shown::Nothing;
        self.unrecorded.insert(ticket, id.clone());
        self.wake.refusals = true;
    }

    fn show_unrecorded(&mut self, id: &ObjectId, now: Now, show: impl FnOnce(&mut Entry, Refusal)) {
        let Some((dirt, entry)) = super::entry_of(&mut self.clusters, id) else {
            return;
        };
        let Phase::Unrecorded(_, refusal) = &entry.phase else {
            return;
        };
        let refusal = refusal.clone();
        show(entry, refusal);
        dirt.soil(&id.key, now.instant);
        self.wake
            .clusters
            .insert(std::sync::Arc::clone(&id.cluster));
    }
}

impl Observed {
    /// Who asks, being `id`.
    pub(super) fn origin(&self, id: &ObjectId) -> Origin {
        Origin {
            id: id.clone(),
            uid: self.uid.clone(),
            generation: self.generation,
            request: self.request.clone(),
            last_manager: self.last_manager.clone(),
        }
    }

    fn asked(&self) -> Option<Asked> {
        let spec = self.spec.as_ref().ok()?;
        spec.check().is_empty().then(|| Asked {
            project: spec.workflow_project.clone(),
            domain: spec.workflow_domain.clone(),
            version: spec.workflow_version.clone(),
            package_uri: spec.workflow_package_uri.clone(),
        })
    }
}

//! The execution of a plan.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use flyte_registration_crd::{EntityType, Reason};
use futures::{StreamExt, stream::FuturesUnordered};
use tonic::Status;

use super::{
    Trouble,
    admin::{Admin, Method},
    classify::{Verdict, classify, trouble},
    compare,
    explain::explain,
    held::{Held, held},
    leftover,
    patience::Patience,
    preflight::Found,
    progress::Progress,
    writers::Writers,
};
use crate::package::{Plan, Planned};

/// Most conflicts of one registration that are explained: each costs a call.
const EXPLAINED_MAX: usize = 20;
/// Entities at a time, for each call that may be in flight. Calls are made in the order in which they ask for room: a package
/// that asked for all of its entities at once would have the next package wait for thousands of them.
const AHEAD: usize = 2;
/// Longest explanation of one conflict, in bytes.
pub(super) const EXPLANATION_MAX: usize = 300;

/// What became of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was created.
    Created,
    /// It was created without its description: see [`leftover`].
    Undescribed,
    /// It was there, identical.
    Unchanged,
    /// It is not registered.
    Failed(Trouble),
    /// It was not tried, as the entity at this position, which it needs in the end, failed.
    Skipped(usize),
    /// It was not tried, as FlyteAdmin fails too often.
    NotTried,
}

/// Is told how many entities of a plan are settled, whenever that changes.
pub type Watch<'a> = &'a (dyn Fn(usize) + Send + Sync);

/// One execution of a plan.
pub(super) struct Run<'a> {
    pub(super) admin: &'a Admin,
    pub(super) writers: &'a Writers,
    pub(super) plan: &'a Plan,
    pub(super) found: Vec<Found>,
    pub(super) patience: Patience,
    /// How many conflicts were explained.
    pub(super) explained: AtomicUsize,
    /// Who wants to know how far it is.
    pub(super) watch: Watch<'a>,
}

impl Run<'_> {
    /// Registers everything that can be, each as soon as what it needs is there. All calls
    /// are part of this future, none is left behind when it is dropped.
    pub(super) async fn execute(&self) -> Vec<Outcome> {
        let entities = &self.plan.entities;
        let mut outcomes = vec![Outcome::NotTried; entities.len()];
        let mut progress = Progress::new(entities.iter().map(|entity| entity.needs.as_slice()));
        for (index, outcome) in outcomes.iter_mut().enumerate() {
            if self.found[index] == Found::Same {
                *outcome = Outcome::Unchanged;
                progress.done(index);
            }
        }
        let mut settled = self
            .found
            .iter()
            .filter(|found| **found == Found::Same)
            .count();
        (self.watch)(settled);
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < AHEAD * self.admin.load().limit
                && let Some(index) = progress.next()
            {
                running.push(async move { (index, self.register(index).await) });
            }
            let Some((index, outcome)) = running.next().await else {
                return outcomes;
            };
            match &outcome {
                Outcome::Created | Outcome::Undescribed | Outcome::Unchanged => {
                    progress.done(index);
                }
                // Left as not tried, what needs it too.
                Outcome::NotTried => settled += progress.failed(index).len(),
                Outcome::Failed(_) | Outcome::Skipped(_) => {
                    for lost in progress.failed(index) {
                        outcomes[lost] = Outcome::Skipped(index);
                        settled += 1;
                    }
                }
            }
            outcomes[index] = outcome;
            settled += 1;
            (self.watch)(settled);
        }
    }

    /// Whether all that refers to the code is registered with it: then it was uploaded.
    pub(super) async fn code_is_in_use(&self) -> bool {
        for (index, entity) in self.plan.entities.iter().enumerate() {
            let in_use = match self.found[index] {
                _ if !entity.uses_code => continue,
                Found::Same => true,
                Found::Present => self.is_there(entity).await.unwrap_or(false),
                Found::Unknown | Found::Absent | Found::Other => false,
            };
            if !in_use {
                return false;
            }
        }
        true
    }

    async fn register(&self, index: usize) -> Outcome {
        let entity = &self.plan.entities[index];
        let _writer = self.writers.admit(&entity.id).await;
        if self.found[index] == Found::Present {
            match self.is_there(entity).await {
                Ok(true) => return Outcome::Unchanged,
                // What is not provably equal gets its Create, which decides.
                Ok(false) => {}
                Err(status) => match classify(status.code(), status.message()) {
                    Verdict::No(reason) => return Outcome::Failed(trouble(reason, &status)),
                    _ => return self.gave_up(&status),
                },
            }
        }
        self.create(entity, self.found[index]).await
    }

    async fn create(&self, entity: &Planned, found: Found) -> Outcome {
        let method = Method::create(entity.kind);
        let mut request = entity.request.clone();
        let mut created = Outcome::Created;
        let mut last = None;
        let mut attempts = 0;
        let mut taken = 0;
        loop {
            attempts += 1;
            let room = self.admin.room().await;
            // It may have become clear while waiting that this leads nowhere.
            if self.patience.is_over() {
                return last.map_or(Outcome::NotTried, Outcome::Failed);
            }
            let Err(status) = room.call(method, request.clone()).await else {
                return created;
            };
            match classify(status.code(), status.message()) {
                // FlyteAdmin compares digests, and who loses a race leaves another closure.
                Verdict::Identical
                    if (taken > 0 || found == Found::Present) && self.runs_other(entity).await =>
                {
                    return self.conflict(entity).await;
                }
                // Ours, if it was not there and an answer to it got lost.
                Verdict::Identical if attempts > 1 && taken == 0 && found == Found::Absent => {
                    return created;
                }
                Verdict::Identical => return Outcome::Unchanged,
                Verdict::Conflict => return self.conflict(entity).await,
                Verdict::No(reason) => return Outcome::Failed(trouble(reason, &status)),
                // Somebody else registers it at this moment, and the next Create says whether
                // it is the same; or half of it was left behind, which stays so.
                Verdict::Taken => {
                    taken += 1;
                    if taken > 1
                        && leftover::is_behind(&status)
                        && let Some(bare) = leftover::without_description(entity)
                        && self.is_absent(entity).await
                    {
                        request = bare;
                        created = Outcome::Undescribed;
                    }
                }
                Verdict::Unusable => return self.gave_up(&status),
                Verdict::Later => {}
            }
            let unavailable = trouble(Reason::FlyteUnavailable, &status);
            match self.patience.wait(attempts, Instant::now(), rand::random()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Outcome::Failed(unavailable),
            }
            last = Some(unavailable);
        }
    }

    /// Whether FlyteAdmin surely holds this entity as it is planned.
    async fn is_there(&self, entity: &Planned) -> Result<bool, Status> {
        Ok(
            match held(self.admin, &self.patience, entity.kind, &entity.id).await? {
                Held::Entity(held) => compare::same(entity, &held),
                Held::Absent | Held::Unknown => false,
            },
        )
    }

    /// Whether FlyteAdmin surely holds nothing under the entity's id.
    async fn is_absent(&self, entity: &Planned) -> bool {
        let held = held(self.admin, &self.patience, entity.kind, &entity.id).await;
        matches!(held, Ok(Held::Absent))
    }

    /// Whether FlyteAdmin surely runs something else than this workflow.
    async fn runs_other(&self, entity: &Planned) -> bool {
        entity.kind == EntityType::Workflow
            && match held(self.admin, &self.patience, entity.kind, &entity.id).await {
                Ok(Held::Entity(held)) => compare::runs_other(entity, &held),
                _ => false,
            }
    }

    /// A conflict, and in what the two differ as far as that can be told: never in
    /// FlyteAdmin's own text, which shows values of both that may be secrets.
    async fn conflict(&self, entity: &Planned) -> Outcome {
        let may_ask = self.explained.fetch_add(1, Ordering::Relaxed) < EXPLAINED_MAX;
        let explanation = if may_ask && !self.patience.is_over() {
            match held(self.admin, &self.patience, entity.kind, &entity.id).await {
                Ok(Held::Entity(held)) => explain(entity.kind, &entity.request, &held),
                _ => None,
            }
        } else {
            None
        };
        Outcome::Failed(Trouble {
            reason: Reason::VersionConflict,
            message: explanation.unwrap_or_default().brief(EXPLANATION_MAX),
        })
    }

    /// FlyteAdmin fails in a way that the next call would meet as well.
    fn gave_up(&self, status: &Status) -> Outcome {
        self.patience.end();
        Outcome::Failed(trouble(Reason::FlyteUnavailable, status))
    }
}

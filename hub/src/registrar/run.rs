//! The execution of a plan.

use std::time::Instant;

use flyte_registration_crd::{EntityType, Reason};
use flyte_registration_proto::flyteidl::{admin::ObjectGetRequest, descriptor_pool};
use futures::{StreamExt, stream::FuturesUnordered};
use prost::Message;
use prost_reflect::DynamicMessage;
use tonic::Status;

use super::{
    Trouble,
    admin::{Admin, Method},
    classify::{Verdict, classify, trouble},
    compare,
    patience::{Patience, patiently},
    preflight::Found,
    progress::Progress,
    writers::Writers,
};
use crate::package::{Plan, Planned};

/// What became of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was created.
    Created,
    /// It was there, identical.
    Unchanged,
    /// It is not registered.
    Failed(Trouble),
    /// It was not tried, as the entity at this position, which it needs in the end, failed.
    Skipped(usize),
    /// It was not tried, as FlyteAdmin fails too often.
    NotTried,
}

/// One execution of a plan.
pub(super) struct Run<'a> {
    pub(super) admin: &'a Admin,
    pub(super) writers: &'a Writers,
    pub(super) plan: &'a Plan,
    pub(super) found: Vec<Found>,
    pub(super) patience: Patience,
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
        let mut running = FuturesUnordered::new();
        loop {
            while let Some(index) = progress.next() {
                running.push(async move { (index, self.register(index).await) });
            }
            let Some((index, outcome)) = running.next().await else {
                return outcomes;
            };
            match &outcome {
                Outcome::Created | Outcome::Unchanged => progress.done(index),
                // Left as not tried, what needs it too.
                Outcome::NotTried => drop(progress.failed(index)),
                Outcome::Failed(_) | Outcome::Skipped(_) => {
                    for lost in progress.failed(index) {
                        outcomes[lost] = Outcome::Skipped(index);
                    }
                }
            }
            outcomes[index] = outcome;
        }
    }

    async fn register(&self, index: usize) -> Outcome {
        let entity = &self.plan.entities[index];
        let _writer = self.writers.admit(&entity.id).await;
        if self.found[index] == Found::Present {
            match self.is_there(entity).await {
                Ok(true) => return Outcome::Unchanged,
                // What is not provably equal gets its Create, which decides.
                Ok(false) => {}
                Err(status) => return self.gave_up(&status),
            }
        }
        self.create(entity, self.found[index]).await
    }

    async fn create(&self, entity: &Planned, found: Found) -> Outcome {
        let method = Method::create(entity.kind);
        let mut last = None;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let room = self.admin.room().await;
            // It may have become clear while waiting that this leads nowhere.
            if self.patience.is_over() {
                return last.map_or(Outcome::NotTried, Outcome::Failed);
            }
            let Err(status) = room.call(method, entity.request.clone()).await else {
                return Outcome::Created;
            };
            match classify(status.code(), status.message()) {
                // Ours, if it was not there and an answer to it got lost.
                Verdict::Identical if attempts > 1 && found == Found::Absent => {
                    return Outcome::Created;
                }
                Verdict::Identical => return Outcome::Unchanged,
                Verdict::Conflict => return Outcome::Failed(conflict()),
                Verdict::No(reason) => return Outcome::Failed(trouble(reason, &status)),
                // Somebody else registers it at this moment, or left half of it behind.
                Verdict::Taken => {
                    if let Ok(true) = self.is_there(entity).await {
                        return Outcome::Unchanged;
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
        let request = ObjectGetRequest {
            id: Some(entity.id.to_proto(entity.kind)),
        };
        let request: bytes::Bytes = request.encode_to_vec().into();
        let method = Method::get(entity.kind);
        let answer = patiently(&self.patience, || self.admin.call(method, request.clone())).await;
        let bytes = match answer {
            Ok(bytes) => bytes,
            Err(status) => {
                return match classify(status.code(), status.message()) {
                    Verdict::Later | Verdict::Unusable => Err(status),
                    _ => Ok(false),
                };
            }
        };
        let name = match entity.kind {
            EntityType::Task => "flyteidl.admin.Task",
            EntityType::Workflow => "flyteidl.admin.Workflow",
            EntityType::LaunchPlan => "flyteidl.admin.LaunchPlan",
        };
        let held = descriptor_pool()
            .get_message_by_name(name)
            .and_then(|descriptor| DynamicMessage::decode(descriptor, bytes).ok());
        Ok(held.is_some_and(|held| compare::same(entity, &held)))
    }

    /// FlyteAdmin fails in a way that the next call would meet as well.
    fn gave_up(&self, status: &Status) -> Outcome {
        self.patience.end();
        Outcome::Failed(trouble(Reason::FlyteUnavailable, status))
    }
}

/// FlyteAdmin's own text shows values out of both versions, which may be secrets.
fn conflict() -> Trouble {
    Trouble {
        reason: Reason::VersionConflict,
        message: "this version is registered with other content".to_owned(),
    }
}

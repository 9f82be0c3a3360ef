//! What a plan would change, had FlyteAdmin not the last word. Reads only.

use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use thiserror::Error;
use tonic::Status;

use super::{
    Registrar, Trouble,
    classify::trouble,
    explain::{Explanation, explain},
    held::{Held, held},
    patience::Patience,
};
use crate::package::{Plan, Planned};
use flyte_registration_crd::Reason;

/// How an entity of a plan stands to what is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It is registered as planned.
    Same,
    /// It is registered with other content.
    Other(Explanation),
    /// It is not registered.
    Absent,
    /// FlyteAdmin holds something that cannot be compared.
    Unknown,
}

/// A plan could not be compared.
#[derive(Clone, Debug, Error)]
#[error("cannot compare with what is registered: {0}")]
pub struct DiffError(pub(super) Trouble);

impl Registrar {
    /// Compares what the plan holds, entity by entity and in its order, with what is
    /// registered. Writes nothing.
    pub async fn diff(&self, plan: &Plan) -> Result<Vec<Comparison>, DiffError> {
        let patience = Patience::new(plan.entities.len(), Instant::now());
        let located = self.located(plan, &patience).await.map_err(DiffError)?;
        let plan = located.as_ref().map_or(plan, |(plan, _)| plan);
        let load = self.load();
        // The limiter decides how many are on their way; answers are compared one by one.
        stream::iter(&plan.entities)
            .map(|entity| self.compare(&patience, entity))
            .buffered(load.limit)
            .try_collect()
            .await
    }

    async fn compare(
        &self,
        patience: &Patience,
        entity: &Planned,
    ) -> Result<Comparison, DiffError> {
        let answer = held(&self.0.admin, patience, entity.kind, &entity.id).await;
        let failed = |status: Status| DiffError(trouble(Reason::FlyteUnavailable, &status));
        Ok(match answer.map_err(failed)? {
            Held::Absent => Comparison::Absent,
            Held::Unknown => Comparison::Unknown,
            Held::Entity(held) => match explain(entity.kind, &entity.request, &held) {
                Some(explanation) if explanation.differences.is_empty() => Comparison::Same,
                Some(explanation) => Comparison::Other(explanation),
                None => Comparison::Unknown,
            },
        })
    }
}

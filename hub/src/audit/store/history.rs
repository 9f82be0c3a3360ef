//! Looking through what happened.

use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::{Store, StoreError};

/// Which events are looked for. `None`: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this cluster.
    pub cluster: Option<String>,
    /// Of this namespace.
    pub namespace: Option<String>,
    /// Of this resource.
    pub name: Option<String>,
    /// Of this Flyte project.
    pub project: Option<String>,
    /// Of this `type`.
    pub kind: Option<String>,
}

/// A part of the history, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// CloudEvents in their JSON format.
    pub events: Vec<String>,
    /// What the next page begins below; `None` where there is none.
    pub next: Option<i64>,
}

impl Filter {
    pub(super) fn select(&self, below: i64, limit: u32) -> QueryBuilder<Sqlite> {
        let mut select = QueryBuilder::new("SELECT seq, event FROM events WHERE seq < ");
        select.push_bind(below);
        let fields = [
            (" AND cluster = ", &self.cluster),
            (" AND namespace = ", &self.namespace),
            (" AND name = ", &self.name),
            (" AND project = ", &self.project),
            (" AND type = ", &self.kind),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                select.push(field).push_bind(value.clone());
            }
        }
        select.push(" ORDER BY seq DESC LIMIT ").push_bind(limit);
        select
    }
}

impl Store {
    /// The newest `limit` events that `filter` lets pass, below the place `below`.
    pub async fn history(
        &self,
        filter: &Filter,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let mut select = filter.select(below.unwrap_or(i64::MAX), limit);
        let rows = select.build().fetch_all(&self.readers).await?;
        let full = rows.len() as u64 == u64::from(limit);
        let next = rows.last().filter(|_| full);
        Ok(Page {
            next: next.map(|row| row.try_get(0)).transpose()?,
            events: rows
                .iter()
                .map(|row| row.try_get(1))
                .collect::<Result<_, _>>()?,
        })
    }
}

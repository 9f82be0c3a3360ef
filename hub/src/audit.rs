//! What happened, on record: who registered what, from which digest, where and when, or was
//! refused why. `docs/audit.md` says what consumers may rely on.
//!
//! An event is on disk before anybody is told what it says. From there each sink gets it at least
//! once. Where nothing more can be put on record, nothing more is done: [`Unavailable`].

use std::{path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};

mod agents;
pub mod config;
mod configuration;
mod delivery;
pub mod event;
mod metrics;
mod recorder;
mod refusals;
mod sink;
pub mod store;

pub use agents::Arrival;
use agents::Arrivals;
pub use config::{AuditConfig, WebhookConfig};
pub use event::{About, Event, Kind};
pub use metrics::AuditMetrics;
pub use recorder::Recorder;
pub use refusals::put_refusals_on_record;
use sink::Sink;
pub use sink::SinkError;
pub use store::{Store, StoreError};

/// What waits to be put on disk: beyond that, whoever has more waits.
const APPENDS: usize = 1024;
/// How long whatever is refused for want of a record waits before it is tried again.
const PATIENCE: Duration = Duration::from_secs(1);

/// It cannot be put on record, so it must not happen, or not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Events that could not be delivered take all the room they may.
    #[error("the hub has no room for more audit events until those that wait are delivered")]
    Full,
    /// The disk, or the database on it, fails. The log says more.
    #[error("the hub cannot write audit events")]
    Failing,
}

/// The audit. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    source: String,
    appends: mpsc::Sender<Append>,
    metrics: AuditMetrics,
    arrivals: Mutex<Arrivals>,
    /// Rings when there is something for the sinks.
    bell: Notify,
}

/// Events to be put on disk together.
#[derive(Debug)]
struct Append {
    events: Vec<Event>,
    /// They are the end of something that has begun, and so must find room.
    begun: bool,
    done: oneshot::Sender<Result<(), Unavailable>>,
}

impl Audit {
    /// The audit with its store in `dir`, and what must run for it.
    pub async fn open(
        config: &AuditConfig,
        dir: &Path,
        metrics: AuditMetrics,
    ) -> Result<(Self, Recorder), OpenError> {
        let sinks = Sink::all(config)?;
        let names: Vec<_> = sinks.iter().map(Sink::name).collect();
        let (store, left) = Store::open(&dir.join("audit.db"), &names).await?;
        if left > 0 {
            tracing::warn!(
                events = left,
                "sinks are not configured any more, and do not get what waited for them"
            );
        }
        for name in &names {
            metrics.queued(name, store.backlog(name).await?);
        }
        metrics.bound(config.max_size);
        metrics.available(true);
        let (appends, waiting) = mpsc::channel(APPENDS);
        let audit = Self(Arc::new(Inner {
            store,
            source: config.source.clone(),
            appends,
            metrics,
            arrivals: Mutex::default(),
            bell: Notify::new(),
        }));
        let recorder = Recorder::new(audit.clone(), config, sinks, waiting);
        Ok((audit, recorder))
    }

    /// Puts `events` on record before what they say begins, or is told. They are on disk when this
    /// returns.
    pub async fn record(&self, events: Vec<Event>) -> Result<(), Unavailable> {
        self.append(events, false).await
    }

    /// The same for the end of something whose beginning is on record: it finds room wherever the
    /// disk has any.
    pub async fn record_end(&self, events: Vec<Event>) -> Result<(), Unavailable> {
        self.append(events, true).await
    }

    /// The events on disk.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    async fn append(&self, events: Vec<Event>, begun: bool) -> Result<(), Unavailable> {
        let (done, outcome) = oneshot::channel();
        let append = Append {
            events,
            begun,
            done,
        };
        let sent = self.0.appends.send(append).await;
        // The recorder ends with the process alone.
        sent.map_err(|_| Unavailable::Failing)?;
        outcome.await.unwrap_or(Err(Unavailable::Failing))
    }
}

/// The audit cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its store cannot be used.
    #[error("cannot use the store of audit events")]
    Store(#[from] StoreError),
    /// A sink cannot be used.
    #[error("audit.webhook cannot be used")]
    Sink(#[from] SinkError),
}

#[cfg(test)]
mod tests;

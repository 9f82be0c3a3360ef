//! Brings events from disk to one sink, in order, until it has got them.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Audit, Sink, SinkError, StoreError, store::Pending};
use crate::fleet::backoff;

/// Delay before the first repetition. It doubles from there.
const RETRY_INITIAL: Duration = Duration::from_secs(1);
/// Most bytes of a batch, unless a single event is larger.
const BATCH_BYTES: usize = 512 * 1024;

/// A delivery failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("audit events cannot be delivered")]
    Sink(#[source] SinkError),
    #[error("audit events cannot be read, or not be marked as delivered")]
    Store(#[from] StoreError),
}

/// Delivers to `sink` until `stop`.
pub(super) async fn run(audit: Audit, mut sink: Sink, stop: CancellationToken) {
    let mut delivery = Delivery {
        most: sink.batch(),
        attempts: 0,
        name: sink.name(),
        audit,
    };
    while !stop.is_cancelled() {
        let wait = delivery.step(&mut sink);
        tokio::select! {
            () = wait => {}
            () = stop.cancelled() => return,
        }
    }
}

struct Delivery {
    audit: Audit,
    name: &'static str,
    /// Events of the next batch: fewer after one that was too large.
    most: u32,
    attempts: u32,
}

impl Delivery {
    /// Delivers a batch, or waits for something to deliver, or before trying again.
    async fn step(&mut self, sink: &mut Sink) {
        let audit = self.audit.clone();
        let bell = audit.0.bell.notified();
        tokio::pin!(bell);
        bell.as_mut().enable();
        let delay = match self.deliver(sink).await {
            Ok(true) => {
                if self.attempts > 0 {
                    info!(sink = self.name, "audit events are delivered again");
                }
                (self.attempts, self.most) = (0, sink.batch());
                return;
            }
            Ok(false) => return bell.await,
            Err(failure) => self.after(&failure, sink),
        };
        tokio::time::sleep(delay).await;
    }

    /// Returns whether there was something to deliver.
    async fn deliver(&self, sink: &mut Sink) -> Result<bool, Failure> {
        let (store, metrics) = (&self.audit.0.store, &self.audit.0.metrics);
        let pending = fitting(store.pending(self.name, self.most).await?);
        metrics.oldest(self.name, pending.first().map(|event| event.time));
        if pending.is_empty() {
            return Ok(false);
        }
        sink.send(&pending).await.map_err(Failure::Sink)?;
        // Killed here, they are sent once more.
        store.delivered(self.name, &pending).await?;
        metrics.delivered(self.name, pending.len() as u64);
        Ok(true)
    }

    /// The delay after `failure`.
    fn after(&mut self, failure: &Failure, sink: &Sink) -> Duration {
        self.audit.0.metrics.failed(self.name);
        self.attempts = self.attempts.saturating_add(1);
        warn!(
            sink = self.name,
            attempts = self.attempts,
            error = failure as &dyn std::error::Error,
            "audit events are sent again later"
        );
        let asked = match failure {
            Failure::Sink(error) if error.is_too_large() && self.most > 1 => {
                self.most /= 2;
                return Duration::ZERO;
            }
            Failure::Sink(error) => error.retry_after(),
            Failure::Store(_) => None,
        };
        let seed = format!("{}{}", self.name, rand::random::<u32>());
        backoff::delay(self.attempts, RETRY_INITIAL, sink.retry_max(), asked, &seed)
    }
}

/// As many of them as fit into a batch, and at least one.
fn fitting(mut pending: Vec<Pending>) -> Vec<Pending> {
    let mut size = 0;
    let fit = pending.iter().position(|event| {
        size += event.event.len();
        size > BATCH_BYTES
    });
    pending.truncate(fit.unwrap_or(pending.len()).max(1));
    pending
}

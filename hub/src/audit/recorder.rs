//! Puts events on disk, many in one transaction, and keeps the store within its bounds.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Append, Audit, AuditConfig, Sink, StoreError, Unavailable, agents::WINDOW, delivery, store::Row,
};

/// Appends of one transaction.
const TOGETHER: usize = 512;
/// How often old events are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// How often room is looked for while there is none.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);

/// What must run for the audit.
#[derive(Debug)]
pub struct Recorder {
    audit: Audit,
    sinks: Vec<Sink>,
    names: Vec<&'static str>,
    waiting: mpsc::Receiver<Append>,
    max_size: u64,
    max_age: Duration,
    looked_for_room: Option<Instant>,
    available: bool,
}

impl Recorder {
    pub(super) fn new(
        audit: Audit,
        config: &AuditConfig,
        sinks: Vec<Sink>,
        waiting: mpsc::Receiver<Append>,
    ) -> Self {
        Self {
            audit,
            names: sinks.iter().map(Sink::name).collect(),
            sinks,
            waiting,
            max_size: config.max_size,
            max_age: config.max_age,
            looked_for_room: None,
            available: true,
        }
    }

    /// Puts events on record and delivers them, until `stop`. What is not delivered then is after
    /// the next start.
    pub async fn run(mut self, stop: CancellationToken) {
        let sinks = std::mem::take(&mut self.sinks);
        let deliveries = sinks
            .into_iter()
            .map(|sink| delivery::run(self.audit.clone(), sink, stop.clone()));
        let deliveries = join_all(deliveries);
        let arrivals = tell_arrivals(self.audit.clone());
        let arrivals = stop.clone().run_until_cancelled_owned(arrivals);
        tokio::join!(deliveries, arrivals, self.record(stop));
    }

    async fn record(mut self, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
        let mut appends = Vec::with_capacity(TOGETHER);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = sweep.tick() => self.sweep().await,
                _ = self.waiting.recv_many(&mut appends, TOGETHER) => {
                    self.append(std::mem::take(&mut appends)).await;
                }
            }
        }
    }

    /// All of them in one transaction: one wait for the disk, however many they are.
    async fn append(&mut self, appends: Vec<Append>) {
        let room = self.has_room().await;
        let (taken, refused): (Vec<_>, Vec<_>) =
            appends.into_iter().partition(|append| room || append.begun);
        let rows: Vec<Row> = taken
            .iter()
            .flat_map(|append| &append.events)
            .map(|event| self.row(event))
            .collect();
        let kept = self.audit.0.store.append(&rows, &self.names).await;
        let failed = kept.as_ref().err().map(|_| Unavailable::Failing);
        self.report(room, kept);
        // Whoever asked may be gone, which changes nothing.
        for append in taken {
            let _ = append.done.send(failed.map_or(Ok(()), Err));
        }
        for append in refused {
            let _ = append.done.send(Err(Unavailable::Full));
        }
    }

    fn row(&self, event: &super::Event) -> Row {
        let kind = event.kind.as_str();
        self.audit.0.metrics.recorded(kind);
        Row {
            id: event.id.clone(),
            time: event.time.as_millisecond(),
            kind,
            about: event.about.clone(),
            event: event.cloud_event(&self.audit.0.source),
        }
    }

    /// Whether there is room for more, made by dropping what is delivered where necessary.
    async fn has_room(&mut self) -> bool {
        let store = &self.audit.0.store;
        if store.size() < self.max_size {
            return true;
        }
        let lately = |at: Instant| at.elapsed() < ROOM_INTERVAL;
        if self.looked_for_room.is_some_and(lately) {
            return false;
        }
        self.looked_for_room = Some(Instant::now());
        // Some at a time, so that not each append has to.
        if let Err(error) = store.shrink_to(self.max_size / 10 * 9).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "old audit events cannot be dropped"
            );
        }
        store.size() < self.max_size
    }

    fn report(&mut self, room: bool, kept: Result<u64, StoreError>) {
        let metrics = &self.audit.0.metrics;
        let available = room && kept.is_ok();
        match kept {
            Ok(new) => {
                metrics.committed(self.audit.0.store.size());
                for name in &self.names {
                    metrics.queued_more(name, new);
                }
                if new > 0 {
                    self.audit.0.bell.notify_waiters();
                }
            }
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "audit events cannot be written: nothing is registered"
                );
            }
        }
        metrics.available(available);
        if self.available && !room {
            error!(
                max_size = self.max_size,
                "audit events that could not be delivered take all their room: nothing is registered"
            );
        }
        if available && !self.available {
            info!("audit events can be written again");
        }
        self.available = available;
    }

    async fn sweep(&self) {
        let oldest = Timestamp::now()
            .as_millisecond()
            .saturating_sub_unsigned(u64::try_from(self.max_age.as_millis()).unwrap_or(u64::MAX));
        if let Err(error) = self.audit.0.store.drop_before(oldest).await {
            warn!(
                error = &error as &dyn std::error::Error,
                "old audit events cannot be dropped"
            );
        }
    }
}

/// Tells what was only counted, for ever.
async fn tell_arrivals(audit: Audit) {
    loop {
        tokio::time::sleep(WINDOW).await;
        audit.tell_arrivals().await;
    }
}

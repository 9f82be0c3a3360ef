//! What the audit counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Counters and gauges of the audit. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct AuditMetrics {
    recorded: Family<Type, Counter>,
    commits: Counter,
    refused: Counter,
    stored: Gauge,
    bound: Gauge,
    available: Gauge,
    queued: Family<Sink, Gauge>,
    oldest: Family<Sink, Gauge>,
    delivered: Family<Sink, Counter>,
    failures: Family<Sink, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Type {
    r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sink {
    sink: &'static str,
}

impl AuditMetrics {
    /// Adds them to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("audit");
        registry.register(
            "events",
            "Events that were to be put on record, by type",
            self.recorded.clone(),
        );
        registry.register(
            "commits",
            "Transactions that put events on disk",
            self.commits.clone(),
        );
        registry.register(
            "refusals",
            "Times that nothing more could be put on record, and so nothing was done",
            self.refused.clone(),
        );
        registry.register(
            "stored_bytes",
            "Bytes of events on disk",
            self.stored.clone(),
        );
        registry.register(
            "stored_bytes_limit",
            "Most bytes of events on disk",
            self.bound.clone(),
        );
        registry.register(
            "available",
            "1 while events can be put on record; at 0 nothing is registered",
            self.available.clone(),
        );
        registry.register(
            "queued_events",
            "Events that a sink has not got yet",
            self.queued.clone(),
        );
        registry.register(
            "oldest_queued_timestamp_seconds",
            "Time of the oldest event that a sink has not got yet; 0 for none",
            self.oldest.clone(),
        );
        registry.register(
            "delivered_events",
            "Events that a sink has got",
            self.delivered.clone(),
        );
        registry.register(
            "delivery_failures",
            "Deliveries that failed and are repeated",
            self.failures.clone(),
        );
    }

    pub(super) fn bound(&self, bytes: u64) {
        self.bound.set(bytes.cast_signed());
    }

    pub(super) fn recorded(&self, kind: &'static str) {
        self.recorded.get_or_create(&Type { r#type: kind }).inc();
    }

    pub(super) fn committed(&self, stored: u64) {
        self.commits.inc();
        self.stored.set(stored.cast_signed());
    }

    pub(super) fn available(&self, available: bool) {
        self.available.set(available.into());
        if !available {
            self.refused.inc();
        }
    }

    pub(super) fn queued(&self, sink: &'static str, count: u64) {
        self.queued
            .get_or_create(&Sink { sink })
            .set(count.cast_signed());
    }

    pub(super) fn queued_more(&self, sink: &'static str, count: u64) {
        self.queued
            .get_or_create(&Sink { sink })
            .inc_by(count.cast_signed());
    }

    /// Milliseconds since 1970.
    pub(super) fn oldest(&self, sink: &'static str, time: Option<i64>) {
        self.oldest
            .get_or_create(&Sink { sink })
            .set(time.unwrap_or_default() / 1000);
    }

    pub(super) fn delivered(&self, sink: &'static str, count: u64) {
        let sink = Sink { sink };
        self.delivered.get_or_create(&sink).inc_by(count);
        self.queued.get_or_create(&sink).dec_by(count.cast_signed());
    }

    pub(super) fn failed(&self, sink: &'static str) {
        self.failures.get_or_create(&Sink { sink }).inc();
    }

    /// How many transactions there were.
    #[cfg(test)]
    pub(super) fn commits(&self) -> u64 {
        self.commits.get()
    }
}

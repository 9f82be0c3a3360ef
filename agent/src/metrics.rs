//! What the agent counts, for Prometheus. All names begin with `flyte_registration_agent`.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

mod messages;

pub use messages::MessageLabels;

/// How a write to the API server went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum WriteResult {
    /// It was made.
    Written,
    /// It was there already.
    Unchanged,
    /// The object had changed meanwhile.
    Conflict,
    /// The object was gone.
    Gone,
    /// The API server refused it, failed, or did not answer.
    Failed,
}

/// Label of the counter of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WriteLabels {
    /// How it went.
    pub result: WriteResult,
}

/// The counters. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// 1 while there is a session with the hub.
    pub connected: Gauge,
    /// 1 while the hub, asked last, does not let the agent in.
    pub refused: Gauge,
    /// 1 while this process holds the lease.
    pub leading: Gauge,
    /// Objects in the index.
    pub objects: Gauge,
    /// Sessions that ended, or could not be had.
    pub reconnects: Counter,
    /// Watches that failed.
    pub watch_restarts: Counter,
    /// Writes of a status.
    pub status_writes: Family<WriteLabels, Counter>,
    /// Finalizers that were taken off.
    pub finalizer_releases: Family<WriteLabels, Counter>,
    /// Kubernetes Events that could not be published.
    pub event_failures: Counter,
    /// Messages to the hub.
    pub messages_sent: Family<MessageLabels, Counter>,
    /// Messages from the hub.
    pub messages_received: Family<MessageLabels, Counter>,
}

impl Metrics {
    /// All of them as text, in the format `OpenMetrics`.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("flyte_registration_agent");
        registry.register(
            "connected",
            "Whether there is a session with the hub",
            self.connected.clone(),
        );
        registry.register(
            "refused",
            "Whether the hub does not let this agent in",
            self.refused.clone(),
        );
        registry.register(
            "leading",
            "Whether this process holds the lease",
            self.leading.clone(),
        );
        registry.register(
            "objects",
            "FlyteRegistrations in the index",
            self.objects.clone(),
        );
        registry.register(
            "reconnects",
            "Sessions that ended or could not be had",
            self.reconnects.clone(),
        );
        registry.register(
            "watch_restarts",
            "Watches that failed",
            self.watch_restarts.clone(),
        );
        registry.register(
            "status_writes",
            "Writes of a status",
            self.status_writes.clone(),
        );
        registry.register(
            "finalizer_releases",
            "Finalizers taken off",
            self.finalizer_releases.clone(),
        );
        registry.register(
            "event_failures",
            "Kubernetes Events that could not be published",
            self.event_failures.clone(),
        );
        registry.register(
            "messages_sent",
            "Messages to the hub",
            self.messages_sent.clone(),
        );
        registry.register(
            "messages_received",
            "Messages from the hub",
            self.messages_received.clone(),
        );
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    /// Counts a write of a status.
    pub fn count_write(&self, result: WriteResult) {
        self.status_writes
            .get_or_create(&WriteLabels { result })
            .inc();
    }

    /// Counts a finalizer that was, or was not, taken off.
    pub fn count_release(&self, result: WriteResult) {
        self.finalizer_releases
            .get_or_create(&WriteLabels { result })
            .inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_holds_names_and_labels() {
        let metrics = Metrics::default();
        metrics.connected.set(1);
        metrics.count_write(WriteResult::Written);
        metrics
            .messages_sent
            .get_or_create(&MessageLabels { kind: "snapshot" })
            .inc_by(2);
        let text = metrics.text().unwrap();
        for line in [
            "flyte_registration_agent_connected 1",
            "flyte_registration_agent_status_writes_total{result=\"Written\"} 1",
            "flyte_registration_agent_messages_sent_total{kind=\"snapshot\"} 2",
            "flyte_registration_agent_reconnects_total 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}

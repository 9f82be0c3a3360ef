//! Messages of the stream, by their names in `hub.proto`.

use flyte_registration_proto::hub::v1::{agent_message, hub_message};
use prometheus_client::encoding::EncodeLabelSet;

use super::Metrics;

/// Label of the counters of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MessageLabels {
    /// What the message is, as in `hub.proto`.
    pub kind: &'static str,
}

impl Metrics {
    /// Counts a message to the hub.
    pub fn sent(&self, kind: Option<&agent_message::Kind>) {
        use agent_message::Kind;
        let kind = match kind {
            Some(Kind::Hello(_)) => "hello",
            Some(Kind::Snapshot(_)) => "snapshot",
            Some(Kind::Changed(_)) => "changed",
            Some(Kind::Gone(_)) => "gone",
            Some(Kind::StatusWritten(_)) => "status_written",
            Some(Kind::Heartbeat(_)) | None => "heartbeat",
        };
        let labels = MessageLabels { kind };
        self.messages_sent.get_or_create(&labels).inc();
    }

    /// Counts a message from the hub.
    pub fn received(&self, kind: Option<&hub_message::Kind>) {
        use hub_message::Kind;
        let kind = match kind {
            Some(Kind::Welcome(_)) => "welcome",
            Some(Kind::Refusal(_)) => "refusal",
            Some(Kind::Status(_)) => "status",
            Some(Kind::FinalizerRelease(_)) => "finalizer_release",
            Some(Kind::Drain(_)) => "drain",
            Some(Kind::Heartbeat(_)) => "heartbeat",
            None => "unknown",
        };
        let labels = MessageLabels { kind };
        self.messages_received.get_or_create(&labels).inc();
    }
}

//! What the hub counts, under `flyte_registration_hub_…`.

use std::time::Duration;

use flyte_registration_crd::Reason;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::{audit::AuditMetrics, fleet::FleetHandle};

/// The hub's metrics. A value, not a global.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    jobs: Family<JobLabels, Counter>,
    job_seconds: Histogram,
    sessions: Counter,
    refusals: Family<RefusalLabels, Counter>,
    messages: Family<DirectionLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
    last_reload: Gauge,
    warnings: Gauge,
    audit: AuditMetrics,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DirectionLabels {
    direction: &'static str,
}

impl Metrics {
    /// The metrics of a hub with this fleet.
    pub fn new(fleet: FleetHandle) -> Self {
        let mut registry = Registry::with_prefix("flyte_registration_hub");
        let jobs = Family::default();
        let job_seconds = Histogram::new(exponential_buckets(0.01, 2.0, 14));
        let (sessions, refusals, messages) =
            (Counter::default(), Family::default(), Family::default());
        registry.register(
            "jobs",
            "Pieces of work that ended, by the reason that they left",
            jobs.clone(),
        );
        registry.register(
            "job_duration_seconds",
            "How long pieces of work took",
            job_seconds.clone(),
        );
        registry.register(
            "sessions_opened",
            "Sessions of agents that were welcomed",
            sessions.clone(),
        );
        registry.register(
            "sessions_refused",
            "Sessions that were refused, by reason; strangers count",
            refusals.clone(),
        );
        registry.register(
            "messages",
            "Messages from (up) and to (down) agents",
            messages.clone(),
        );
        let (reloads, last_reload) = (Family::default(), Gauge::default());
        registry.register(
            "config_reloads",
            "Changes of the configuration while the hub ran",
            reloads.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "Whether the hub runs with what the files of the configuration hold",
            last_reload.clone(),
        );
        last_reload.set(1);
        let warnings = Gauge::default();
        registry.register(
            "config_warnings",
            "What the configuration allows and hardly means, as check-config says",
            warnings.clone(),
        );
        let audit = AuditMetrics::default();
        audit.register(&mut registry);
        registry.register_collector(Box::new(FleetCollector(fleet)));
        Self {
            registry,
            jobs,
            job_seconds,
            sessions,
            refusals,
            messages,
            reloads,
            last_reload,
            warnings,
            audit,
        }
    }

    /// Those of the audit.
    pub fn audit(&self) -> AuditMetrics {
        self.audit.clone()
    }

    /// A piece of work ended.
    pub fn job(&self, reason: Reason, took: Duration) {
        self.jobs
            .get_or_create(&JobLabels {
                reason: reason.as_str(),
            })
            .inc();
        self.job_seconds.observe(took.as_secs_f64());
    }

    /// A session was welcomed.
    pub fn session_opened(&self) {
        self.sessions.inc();
    }

    /// A session was refused.
    pub fn session_refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { reason }).inc();
    }

    /// A message came from an agent.
    pub fn message_up(&self) {
        self.messages
            .get_or_create(&DirectionLabels { direction: "up" })
            .inc();
    }

    /// A message went to an agent.
    pub fn message_down(&self) {
        self.messages
            .get_or_create(&DirectionLabels { direction: "down" })
            .inc();
    }

    /// The configuration changed, and was taken over or not.
    pub fn reloaded(&self, applied: bool) {
        let result = if applied { "applied" } else { "refused" };
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
        self.last_reload.set(i64::from(applied));
    }

    /// The configuration that the hub runs with has so many warnings.
    pub fn configured(&self, warnings: usize) {
        self.warnings
            .set(i64::try_from(warnings).unwrap_or(i64::MAX));
    }

    /// All of it in the text form of OpenMetrics.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

/// What is counted anew at each scrape.
#[derive(Debug)]
struct FleetCollector(FleetHandle);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    cluster: String,
    reason: &'static str,
}

impl Collector for FleetCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (census, (waiting, working), connected) = self
            .0
            .with(|fleet, _| (fleet.census(), fleet.load(), fleet.connected()));
        let resources: Family<ResourceLabels, Gauge> = Family::default();
        for ((cluster, reason), count) in census {
            let labels = ResourceLabels {
                cluster: cluster.to_string(),
                reason: reason.map_or("Deleting", Reason::as_str),
            };
            resources.get_or_create(&labels).set(count.cast_signed());
        }
        let metric = encoder.encode_descriptor(
            "resources",
            "Resources that the hub knows, by cluster and reason",
            None,
            prometheus_client::metrics::MetricType::Gauge,
        )?;
        resources.encode(metric)?;
        for (name, help, value) in [
            (
                "jobs_waiting",
                "Pieces of work that wait for their turn or for a repetition",
                waiting,
            ),
            (
                "jobs_working",
                "Pieces of work that are being done",
                working,
            ),
            (
                "clusters_connected",
                "Clusters whose agent is connected",
                connected,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(
                name,
                help,
                None,
                prometheus_client::metrics::MetricType::Gauge,
            )?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

//! Takes over changes of the configuration, and of the files that agents are known by, while the
//! hub runs.
//!
//! The files are looked at every second: Kubernetes swaps them by symbolic links, which watches
//! of a file miss. SIGHUP looks at once. What cannot be used changes nothing, and is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{
    fs,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info, warn};

use crate::{
    audit::Audit,
    config::{self, Config},
    fleet::{Changed, FleetHandle, Policy},
    gateway::Tls,
    identity::Identities,
    metrics::Metrics,
    receipt,
    reread::{Stamp, stamps},
    work::{PartsError, Runner},
};

const LOOK: Duration = Duration::from_secs(1);
/// Most warnings of one configuration in the log.
const WARNINGS_MAX: usize = 20;

/// What the files hold; `None` where one cannot be read.
type Texts = Vec<Option<Vec<u8>>>;

/// The configuration of a running hub, and what follows it.
pub(crate) struct Reload {
    pub files: Vec<PathBuf>,
    pub config: Config,
    pub receipts: receipt::Key,
    pub identities: watch::Sender<Arc<Identities>>,
    /// That of the agents' listener.
    pub tls: Option<Arc<Tls>>,
    pub fleet: FleetHandle,
    pub runner: Arc<Runner>,
    pub metrics: Arc<Metrics>,
    pub audit: Audit,
}

impl Reload {
    /// Follows the files until it is dropped. `loaded` is what they held when the hub started.
    pub async fn run(mut self, loaded: Texts) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let digest = config::digest(&loaded);
        self.audit.configuration_changed(&digest).await;
        self.warn().await;
        let mut configuration = Followed::new(loaded);
        let mut credentials = Followed::new(self.credentials());
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = next(&mut ticks, &mut hangup).await;
            if configuration.look(read(&self.files).await, asked) {
                let digest = config::digest(&configuration.taken);
                self.reload(&digest).await;
            }
            if credentials.look(self.credentials(), asked) {
                self.look_at_agents();
            }
        }
    }

    /// The files that agents are known by, as they are now.
    fn credentials(&self) -> Vec<(PathBuf, Stamp)> {
        let tls = self.config.listen.tls.iter();
        let tls = tls.flat_map(|tls| {
            let pair = [&tls.cert_file, &tls.key_file];
            pair.into_iter().chain(&tls.client_ca_file)
        });
        let clusters = self.config.clusters.values();
        let keys = clusters.filter_map(|cluster| cluster.key_file());
        let files: Vec<PathBuf> = tls.chain(keys).cloned().collect();
        let stamps = stamps(&files);
        files.into_iter().zip(stamps).collect()
    }

    /// Whoever is connected must be known by the files as they are now, too.
    fn look_at_agents(&self) {
        if let Some(tls) = &self.tls {
            tls.look_now();
        }
        self.identities.send_modify(|known| {
            *known = Arc::new(Identities::new(&self.config.clusters, Some(known)));
        });
        info!("the files that agents are known by are looked at anew");
    }

    /// Logs and counts what the configuration allows and is hardly meant.
    async fn warn(&self) {
        let config = self.config.clone();
        // Tenants are compared with each other, which takes its time where there are many.
        let warnings = spawn_blocking(move || config.warnings()).await;
        let warnings = warnings.unwrap_or_default();
        self.metrics.configured(warnings.len());
        for warning in warnings.iter().take(WARNINGS_MAX) {
            warn!("the configuration: {warning}");
        }
        if let Some(more) = warnings.len().checked_sub(WARNINGS_MAX + 1) {
            warn!("and {} more: check-config says them", more + 1);
        }
    }

    /// Takes the files over, all of them or nothing. They have this digest.
    async fn reload(&mut self, digest: &str) {
        let applied = config::load(&self.files)
            .map_err(anyhow::Error::new)
            .and_then(|config| Ok(self.apply(config)?));
        self.metrics.reloaded(applied.is_ok());
        match &applied {
            Ok(_) => self.audit.configuration_changed(digest).await,
            Err(error) => {
                let problem = format!("{error:#}");
                self.audit.configuration_rejected(digest, &problem).await;
            }
        }
        match applied {
            Ok(fixed) if fixed.is_empty() => info!("configuration reloaded"),
            Ok(fixed) => warn!(
                "configuration reloaded, but {} take effect after a restart",
                fixed.join(", ")
            ),
            Err(error) => {
                error!("the configuration stays as it was: {error:#}");
                return;
            }
        }
        self.warn().await;
    }

    /// Returns the keys that take effect after a restart.
    fn apply(&mut self, mut config: Config) -> Result<Vec<&'static str>, PartsError> {
        let fixed = config.keep_fixed(&self.config);
        let parts = self.runner.parts().renewed(&config)?;
        let changed = Changed {
            sources: differing(&self.config.sources, &config.sources),
            flyte_admins: differing(&self.config.flyte_admins, &config.flyte_admins),
        };
        let policy = Policy::new(&config, self.receipts.clone());
        // Work that the new policy allows finds the parts that it names.
        self.runner.replace_parts(parts);
        self.identities.send_modify(|known| {
            *known = Arc::new(Identities::new(&config.clusters, Some(known)));
        });
        self.fleet.with(|fleet, now| {
            fleet.keep_clusters(|name| config.clusters.contains_key(name), now);
            fleet.replace_policy(policy, &changed, now);
        });
        self.config = config;
        Ok(fixed)
    }
}

/// Something that others change, and may be in the midst of changing.
struct Followed<T> {
    seen: T,
    /// What it was when it was taken over.
    taken: T,
}

impl<T: Clone + PartialEq> Followed<T> {
    fn new(taken: T) -> Self {
        Self {
            seen: taken.clone(),
            taken,
        }
    }

    /// Takes it over as it is `now` if it has changed and is not being changed any more: half a file
    /// can be a configuration too. If somebody `asked` for it, in any case. Returns whether it did.
    fn look(&mut self, now: T, asked: bool) -> bool {
        let settled = now == self.seen;
        self.seen = now;
        let take = asked || (settled && self.seen != self.taken);
        if take {
            self.taken.clone_from(&self.seen);
        }
        take
    }
}

/// Waits for the next look. Returns whether somebody asked for it.
async fn next(ticks: &mut tokio::time::Interval, hangup: &mut Signal) -> bool {
    tokio::select! {
        _ = ticks.tick() => false,
        Some(()) = hangup.recv() => true,
    }
}

/// Reads all of them.
pub(crate) async fn read(files: &[PathBuf]) -> Texts {
    let mut texts = Vec::new();
    for file in files {
        texts.push(fs::read(file).await.ok());
    }
    texts
}

/// The names that stand for something else than before, or for nothing.
fn differing<T: PartialEq>(
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
) -> BTreeSet<String> {
    let names = old.keys().chain(new.keys());
    names
        .filter(|&name| old.get(name) != new.get(name))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_changed_is_left_alone_until_it_is_done_or_somebody_asks() {
        let mut followed = Followed::new("old");
        let looks = ["old", "ha", "half", "whole", "whole", "whole", "old", "old"];
        let taken = looks.map(|now| followed.look(now, false));
        assert_eq!(
            taken,
            [false, false, false, false, true, false, false, true]
        );
        assert!(followed.look("half", true) && followed.taken == "half");
        assert!(!followed.look("half", false), "that was taken");
    }
}

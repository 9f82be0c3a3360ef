//! The Lease that makes one of several agents stream and write.
//!
//! Own code, as the crate for it goes by other machines' clocks, and does not tell its
//! holder that it could not be renewed in time.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{chain, metrics::Metrics};

pub mod election;
use election::Election;

/// A holder that could not renew for this long has lost the Lease: well before another may
/// take it.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Longest wait for one answer of the API server.
const ANSWER: Duration = Duration::from_secs(5);
/// Pauses after a renewal, while another holds the Lease, and after a failure.
const RENEWED: Duration = Duration::from_secs(4);
const TAKEN: Duration = Duration::from_secs(2);
const FAILED: Duration = Duration::from_secs(1);

/// Gets the Lease and keeps it.
#[derive(Debug)]
pub struct Keeper {
    api: Api<Lease>,
    name: String,
    election: Election,
    held: watch::Sender<bool>,
    metrics: Metrics,
    /// The last attempt failed, and that has been logged.
    failing: bool,
}

enum Attempt {
    Held,
    Taken,
    Failed,
}

impl Keeper {
    /// A keeper of the Lease `name`, which shows in the receiver whether it holds it.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: String,
        metrics: Metrics,
    ) -> (Self, watch::Receiver<bool>) {
        let (held, receiver) = watch::channel(false);
        let keeper = Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            election: Election::new(identity),
            held,
            metrics,
            failing: false,
        };
        (keeper, receiver)
    }

    /// Keeps the Lease until `stop`, then gives it back.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut until = Instant::now();
        loop {
            let start = Instant::now();
            let patience = if self.is_held() {
                until.duration_since(start).min(ANSWER)
            } else {
                ANSWER
            };
            let attempt = tokio::select! {
                () = stop.cancelled() => break,
                attempt = timeout(patience, self.attempt()) => attempt.unwrap_or(Attempt::Failed),
            };
            let pause = match attempt {
                Attempt::Held => {
                    until = start + RENEW_DEADLINE;
                    self.show(true);
                    RENEWED
                }
                Attempt::Taken => {
                    self.show(false);
                    TAKEN
                }
                Attempt::Failed => {
                    if Instant::now() >= until {
                        self.show(false);
                    }
                    FAILED
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(pause) => {}
            }
        }
        let was_held = self.is_held();
        self.show(false);
        if was_held && timeout(ANSWER, self.release()).await.is_err() {
            warn!("the Lease could not be given back in time; it expires by itself");
        }
    }

    fn is_held(&self) -> bool {
        *self.held.borrow()
    }

    fn show(&self, held: bool) {
        self.metrics.leading.set(held.into());
        if self
            .held
            .send_if_modified(|before| std::mem::replace(before, held) != held)
        {
            info!(held, lease = self.name, "the Lease changed hands");
        }
    }

    async fn attempt(&mut self) -> Attempt {
        let held = match self.try_hold().await {
            Ok(held) => held,
            // Somebody was faster; who it was shows in the next attempt.
            Err(kube::Error::Api(status)) if status.code == 409 => return Attempt::Failed,
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    let error = chain(&error);
                    warn!(
                        error,
                        lease = self.name,
                        "the Lease cannot be read or written"
                    );
                }
                return Attempt::Failed;
            }
        };
        self.failing = false;
        if held { Attempt::Held } else { Attempt::Taken }
    }

    async fn try_hold(&mut self) -> Result<bool, kube::Error> {
        let found = self.api.get_opt(&self.name).await?;
        let spec = found.as_ref().and_then(|it| it.spec.as_ref());
        let Some(spec) = self
            .election
            .claim(spec, Instant::now().into_std(), Timestamp::now())
        else {
            return Ok(false);
        };
        let options = PostParams::default();
        if let Some(lease) = found {
            let lease = Lease {
                spec: Some(spec),
                ..lease
            };
            self.api.replace(&self.name, &options, &lease).await?;
        } else {
            let metadata = ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            };
            let lease = Lease {
                metadata,
                spec: Some(spec),
            };
            self.api.create(&options, &lease).await?;
        }
        Ok(true)
    }

    async fn release(&self) {
        let released = async {
            let Some(lease) = self.api.get_opt(&self.name).await? else {
                return Ok(());
            };
            let Some(spec) = lease
                .spec
                .as_ref()
                .and_then(|it| self.election.give_back(it))
            else {
                return Ok(());
            };
            let lease = Lease {
                spec: Some(spec),
                ..lease
            };
            self.api
                .replace(&self.name, &PostParams::default(), &lease)
                .await
                .map(drop)
        };
        if let Err(error) = released.await {
            let error = chain(&error);
            warn!(
                error,
                "the Lease could not be given back; it expires by itself"
            );
        }
    }
}

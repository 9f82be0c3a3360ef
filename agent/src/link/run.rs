//! One session after the other, for as long as this process holds the Lease.

use std::{pin::pin, sync::Arc, time::Duration};

use flyte_registration_proto::hub::v1::HubMessage;
use rand::RngExt as _;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tonic::Streaming;
use tracing::{error, info, warn};

use super::{
    Connection, Ended, Incoming, LinkState, Session, Standing, connect,
    connect::{broken_by, status},
};
use crate::{
    config,
    metrics::Metrics,
    retry::Backoff,
    status::{SharedDesk, Wanted},
    watch::{Interest, Shared},
};

const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_mins(1),
};
/// A session that lasted this long was none that the hub dropped at once.
const HEALTHY: Duration = Duration::from_secs(10);
/// The whole is sent again this often, give or take a fifth.
const RESNAPSHOT: Duration = Duration::from_mins(15);
const RESNAPSHOT_JITTER: f64 = 0.2;
/// How long a broken stream is given to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Keeps a session with the hub.
#[derive(Debug)]
pub struct Link {
    /// Where and how.
    pub hub: config::Hub,
    /// The scope; empty: all namespaces.
    pub namespaces: Vec<String>,
    /// Which cluster this is.
    pub cluster_uid: String,
    /// What the hub is told of.
    pub shared: Arc<Shared>,
    /// Where its answers go.
    pub desk: Arc<SharedDesk>,
    /// Shows whether there is a session.
    pub state: watch::Sender<LinkState>,
    /// Shows what the hub said last.
    pub standing: watch::Sender<Standing>,
    /// Counts.
    pub metrics: Metrics,
}

impl Link {
    /// Runs until it is dropped.
    pub async fn run(&self) {
        let mut failures = 0;
        let mut connection = self.connect(&mut failures).await;
        loop {
            let start = Instant::now();
            self.show(true);
            let (ended, next) = self.session(connection).await;
            if start.elapsed() >= HEALTHY {
                failures = 0;
            }
            connection = if let Some(next) = next {
                next
            } else {
                self.failed(&ended, &mut failures).await;
                self.connect(&mut failures).await
            };
        }
    }

    /// Runs a session to its end; if the hub drains it, only until there is a new one.
    async fn session(&self, connection: Connection) -> (Ended, Option<Connection>) {
        let drained = Notify::new();
        let mut session = pin!(self.drive(connection, &drained));
        tokio::select! {
            ended = &mut session => {
                self.show(false);
                return (ended, None);
            }
            () = drained.notified() => {}
        }
        let mut failures = 0;
        let mut next = pin!(self.connect(&mut failures));
        let mut over = None;
        loop {
            tokio::select! {
                next = &mut next => return (over.unwrap_or(Ended::Silent), Some(next)),
                ended = &mut session, if over.is_none() => {
                    self.show(false);
                    over = Some(ended);
                }
            }
        }
    }

    /// Tries until the hub welcomes.
    async fn connect(&self, failures: &mut u32) -> Connection {
        let mut complete = self.shared.complete();
        // The sender lives as long as `shared`: this cannot fail.
        let _ = complete.wait_for(|complete| *complete).await;
        loop {
            let hello = Session::hello(&self.cluster_uid, &self.namespaces);
            match connect(&self.hub, hello).await {
                Ok(connection) => {
                    info!(
                        session = connection.terms.session,
                        "the hub welcomes this agent"
                    );
                    self.stand(Standing::Welcome);
                    return connection;
                }
                Err(ended) => self.failed(&ended, failures).await,
            }
        }
    }

    async fn failed(&self, ended: &Ended, failures: &mut u32) {
        self.metrics.reconnects.inc();
        // What somebody has to mend first is tried as seldom as may be.
        let attempt = if ended.is_lasting() {
            u32::MAX
        } else {
            *failures
        };
        let delay = BACKOFF.delay(attempt);
        *failures = failures.saturating_add(1);
        let delay_ms = delay.as_millis();
        if ended.is_refusal() {
            self.stand(Standing::Refused);
            error!(reason = %ended, delay_ms, "the hub does not let this agent in; connecting anew");
        } else {
            warn!(reason = %ended, delay_ms, "no session with the hub; connecting anew");
        }
        sleep(delay).await;
    }

    fn stand(&self, standing: Standing) {
        let refused = standing == Standing::Refused;
        self.metrics.refused.set(refused.into());
        self.standing.send_replace(standing);
    }

    fn show(&self, up: bool) {
        self.metrics.connected.set(up.into());
        self.state.send_if_modified(|state| {
            let changed = state.up != up;
            if changed {
                *state = LinkState {
                    up,
                    since: Instant::now(),
                };
            }
            changed
        });
    }

    async fn drive(&self, connection: Connection, drained: &Notify) -> Ended {
        let Connection {
            terms,
            mut inbound,
            outbound,
        } = connection;
        let jitter = rand::rng().random_range(-RESNAPSHOT_JITTER..=RESNAPSHOT_JITTER);
        let resnapshot = RESNAPSHOT.mul_f64(1.0 + jitter);
        let dirty = self.shared.subscribe(Interest::Wire);
        // What was written before is in the snapshot.
        self.desk.take_written();
        let mut session = Session::new(terms, resnapshot, Instant::now().into_std());
        loop {
            let now = Instant::now().into_std();
            if session.is_silent(now) {
                return Ended::Silent;
            }
            tokio::select! {
                message = inbound.message() => {
                    let message = match message {
                        Ok(Some(message)) => message,
                        Ok(None) => return broken_by("the hub closed the stream"),
                        Err(error) => return status(&error),
                    };
                    self.metrics.received(message.kind.as_ref());
                    match session.receive(message, now) {
                        Ok(incoming) => self.take(incoming, drained),
                        Err(ended) => return ended,
                    }
                }
                permit = outbound.reserve(), if session.has_next(now) => match permit {
                    Ok(permit) => {
                        if let Some(message) = self.shared.read(|index| session.next(index, now)) {
                            self.metrics.sent(message.kind.as_ref());
                            permit.send(message);
                        }
                    }
                    Err(_) => return last_words(inbound, session).await,
                },
                () = dirty.changed() => session.changed(dirty.take()),
                () = self.desk.written() => {
                    for (key, written) in self.desk.take_written() {
                        session.wrote(key, written);
                    }
                }
                () = sleep_until(session.deadline().into()) => {}
            }
        }
    }

    fn take(&self, incoming: Incoming, drained: &Notify) {
        match incoming {
            Incoming::Status(message) => match Wanted::read(&message) {
                Ok(wanted) => self
                    .desk
                    .want(message.key.unwrap_or_default().into(), wanted),
                Err(error) => warn!(%error, "a status was dropped"),
            },
            Incoming::Release(message) => {
                self.desk
                    .release(message.key.unwrap_or_default().into(), message.uid);
            }
            Incoming::Drain(reason) => {
                info!(reason, "the hub drains the session");
                drained.notify_one();
            }
            Incoming::Nothing => {}
        }
    }
}

/// The stream up is closed: why, stands at the end of the stream down.
async fn last_words(mut inbound: Streaming<HubMessage>, mut session: Session) -> Ended {
    let now = Instant::now().into_std();
    let reason = async {
        loop {
            match inbound.message().await {
                Ok(Some(message)) => {
                    if let Err(ended) = session.receive(message, now) {
                        return ended;
                    }
                }
                Ok(None) => return broken_by("the hub closed the stream"),
                Err(error) => return status(&error),
            }
        }
    };
    timeout(LAST_WORDS, reason)
        .await
        .unwrap_or_else(|_| broken_by("the hub takes no more messages"))
}

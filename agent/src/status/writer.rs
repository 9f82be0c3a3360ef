//! Does what the desk says, a bounded number of jobs at a time.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use super::{Announcement, Away, Job, Outcome, Resources, SharedDesk};
use crate::{
    link::{LinkState, Standing},
    watch::{Interest, Shared},
};

/// Writes at a time.
const WRITES_MAX: usize = 8;
/// Events at a time; more are dropped, as a tenant has lost nothing by it.
const EVENTS_MAX: usize = 32;

/// Does what the desk says.
pub struct Writer {
    /// The API server.
    pub resources: Resources,
    /// What is in the cluster.
    pub shared: Arc<Shared>,
    /// What is to be done.
    pub desk: Arc<SharedDesk>,
    /// Whether there is a session with the hub.
    pub link: watch::Receiver<LinkState>,
    /// What the hub said last of this agent.
    pub standing: watch::Receiver<Standing>,
    /// Tenants are told that there is none when there has been none for this long.
    pub unreachable_after: Duration,
}

impl Writer {
    /// Runs until it is dropped. The error is a job's panic.
    pub async fn run(mut self) -> Result<(), JoinError> {
        let dirty = self.shared.subscribe(Interest::Any);
        self.read(|desk, index| index.keys().cloned().for_each(|key| desk.touch(key)));
        let mut writes = JoinSet::new();
        let mut events = JoinSet::new();
        loop {
            let now = Instant::now();
            let link = *self.link.borrow_and_update();
            let overlay_at = (!link.up).then(|| link.since + self.unreachable_after);
            let away = match *self.standing.borrow_and_update() {
                Standing::Refused => Away::Refusing,
                Standing::Unknown | Standing::Welcome => Away::Unreachable,
            };
            let away = overlay_at.filter(|it| now >= *it).map(|_| away);
            self.read(|desk, index| desk.set_away(away, index));
            while writes.len() < WRITES_MAX
                && let Some(job) = self.read(|desk, index| desk.next(index, now.into_std()))
            {
                writes.spawn(execute(self.resources.clone(), job));
            }
            let free = writes.len() < WRITES_MAX;
            let retry_at = self
                .desk
                .with(|desk| desk.deadline())
                .filter(|_| free)
                .map(Instant::from);
            let next = [retry_at, overlay_at.filter(|it| *it > now)]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                () = dirty.changed() => {
                    let keys = dirty.take();
                    self.desk.with(|desk| keys.into_iter().for_each(|key| desk.touch(key)));
                }
                () = self.desk.wanted() => {}
                // The sender is in the same hands; should it go, there is no session.
                _ = self.link.changed() => {}
                _ = self.standing.changed() => {}
                Some(done) = writes.join_next() => {
                    let (job, outcome, event) = done?;
                    self.desk.with(|desk| desk.done(&job, outcome, Instant::now().into_std()));
                    if let Some(event) = event && events.len() < EVENTS_MAX {
                        let resources = self.resources.clone();
                        events.spawn(async move { resources.announce(job, event).await });
                    }
                }
                Some(done) = events.join_next() => done?,
                () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
            }
        }
    }

    fn read<T>(&self, work: impl FnOnce(&mut super::Desk, &crate::watch::Index) -> T) -> T {
        self.shared
            .read(|index| self.desk.with(|desk| work(desk, index)))
    }
}

async fn execute(resources: Resources, job: Job) -> (Job, Outcome, Option<Announcement>) {
    let (outcome, event) = resources.execute(&job).await;
    (job, outcome, event)
}

//! Whether the process makes progress: every task that it cannot live without shows now and
//! then that it is alive. The other side's health is no part of it.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::time::timeout;

/// A task that has shown nothing for this long is taken for stuck.
pub const STUCK_AFTER: Duration = Duration::from_mins(1);

/// How often a task shows that it is alive.
const EVERY: Duration = Duration::from_secs(10);

/// The tasks and when they last showed that they are alive.
#[derive(Clone, Debug)]
pub struct Health {
    start: Instant,
    tasks: Arc<Mutex<Vec<Task>>>,
}

/// A task's name, and the second since the start at which it last was alive.
type Task = (String, Arc<AtomicU64>);

/// By which one task shows that it is alive.
#[derive(Clone, Debug)]
pub struct Beat {
    start: Instant,
    last: Arc<AtomicU64>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            tasks: Arc::default(),
        }
    }
}

impl Health {
    /// A task that must stay alive from now on, until its [`Beat`] is dropped.
    pub fn task(&self, name: impl Into<String>) -> Beat {
        let beat = Beat {
            start: self.start,
            last: Arc::default(),
        };
        beat.now();
        self.tasks
            .lock()
            .push((name.into(), Arc::clone(&beat.last)));
        beat
    }

    /// The tasks that are stuck at `now`.
    pub fn stuck(&self, now: Instant) -> Vec<String> {
        let mut tasks = self.tasks.lock();
        tasks.retain(|(_, last)| Arc::strong_count(last) > 1);
        let seconds = now.duration_since(self.start).as_secs();
        let stuck = |last: &Arc<AtomicU64>| {
            seconds.saturating_sub(last.load(Ordering::Relaxed)) > STUCK_AFTER.as_secs()
        };
        tasks
            .iter()
            .filter(|(_, last)| stuck(last))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

impl Beat {
    /// Runs `task`, which shows by being polled that it is alive.
    pub async fn during<T>(self, task: impl Future<Output = T>) -> T {
        let mut task = pin!(task);
        loop {
            self.now();
            if let Ok(done) = timeout(EVERY, &mut task).await {
                return done;
            }
        }
    }

    /// The task is alive.
    fn now(&self) {
        self.last
            .store(self.start.elapsed().as_secs(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_waits_is_alive() {
        let health = Health::default();
        let beat = health.task("one");
        beat.last.store(u64::MAX, Ordering::Relaxed);
        let last = Arc::clone(&beat.last);
        assert_eq!(beat.during(async { 5 }).await, 5);
        assert_ne!(last.load(Ordering::Relaxed), u64::MAX);
    }

    #[test]
    fn silent_tasks_are_stuck_until_they_are_gone() {
        let health = Health::default();
        let (one, two) = (health.task("one"), health.task("two"));
        let later = Instant::now() + STUCK_AFTER + Duration::from_secs(5);
        assert_eq!(health.stuck(Instant::now()), [] as [&str; 0]);
        assert_eq!(health.stuck(later), ["one", "two"]);
        two.last.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(health.stuck(later), ["one"]);
        drop(one);
        assert_eq!(health.stuck(later), [] as [&str; 0]);
    }
}

//! The database connections. A create of a task or a workflow takes one for its
//! transaction and, while holding it, another one for the insert; creates in flight
//! that reach the limit wait for each other until their callers give up.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::service;

/// How long a transaction is open before it inserts, where no latency is set.
const TRANSACTION: Duration = Duration::from_millis(2);

/// A pool of as many connections, or of any number.
#[derive(Debug)]
pub struct Pool(Option<Arc<Semaphore>>);

impl Pool {
    /// With a limit, or without.
    pub fn new(limit: Option<usize>) -> Self {
        Self(limit.map(|limit| Arc::new(Semaphore::new(limit))))
    }

    /// What the call needs, and the time that it takes. What is returned holds the
    /// connections; dropping the call frees them.
    pub async fn take(
        &self,
        service: &str,
        method: &str,
        latency: Duration,
    ) -> Vec<OwnedSemaphorePermit> {
        let mut held = Vec::new();
        let wanted = match (service, method) {
            (service::ADMIN, "CreateTask" | "CreateWorkflow") => 2,
            (service::ADMIN, "GetVersion" | "GetDomains") => 0,
            (service::ADMIN, _) => 1,
            _ => 0,
        };
        let Some(pool) = &self.0 else {
            tokio::time::sleep(latency).await;
            return held;
        };
        for turn in 0..wanted {
            if turn > 0 {
                tokio::time::sleep(latency.max(TRANSACTION)).await;
            }
            // The semaphore is never closed.
            held.extend(Arc::clone(pool).acquire_owned().await);
        }
        if wanted < 2 {
            tokio::time::sleep(latency).await;
        }
        held
    }
}

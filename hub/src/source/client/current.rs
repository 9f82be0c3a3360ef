//! The clients of a source, with the certificates as the files have them now.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;

use super::build::{self, ClientError, Clients, Proxies};
use crate::source::ConnectionConfig;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Clients that are made anew when a file changes.
pub(super) struct Current {
    connection: ConnectionConfig,
    proxies: Proxies,
    state: Mutex<State>,
}

struct State {
    looked: Instant,
    stamps: Vec<Stamp>,
    clients: Clients,
}

/// What shows that a file is another one. `None` where it is not there.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Current {
    pub(super) fn new(
        connection: &ConnectionConfig,
        proxies: Proxies,
    ) -> Result<Self, ClientError> {
        let state = State {
            looked: Instant::now(),
            stamps: stamps(connection),
            clients: build::clients(connection, proxies)?,
        };
        Ok(Self {
            connection: connection.clone(),
            proxies,
            state: Mutex::new(state),
        })
    }

    /// The clients. Where the files have changed and cannot be used, as they are while somebody
    /// replaces one after the other, those of before.
    pub(super) fn clients(&self) -> Clients {
        let mut state = self.state.lock();
        if state.stamps.is_empty() || state.looked.elapsed() < LOOK_INTERVAL {
            return state.clients.clone();
        }
        state.looked = Instant::now();
        let stamps = stamps(&self.connection);
        if stamps != state.stamps {
            match build::clients(&self.connection, self.proxies) {
                Ok(clients) => {
                    state.clients = clients;
                    state.stamps = stamps;
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a source's certificates changed and cannot be used; those of before are"
                ),
            }
        }
        state.clients.clone()
    }
}

/// Those of all files that the clients are made from. To look at them takes no time worth a task.
fn stamps(connection: &ConnectionConfig) -> Vec<Stamp> {
    let files = [
        &connection.ca_file,
        &connection.cert_file,
        &connection.key_file,
    ];
    let stamp = |file| {
        let metadata = fs::metadata(file).ok()?;
        let modified = metadata.modified().ok()?;
        Some((modified, metadata.len(), metadata.ino()))
    };
    files.into_iter().flatten().map(stamp).collect()
}

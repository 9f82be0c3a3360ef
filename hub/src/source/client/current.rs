//! The clients of a source, with the certificates as the files have them now.

use super::build::{self, ClientError, Clients, Proxies};
use crate::{reread::Reread, source::ConnectionConfig};

/// Clients that are made anew when a file changes.
pub(super) struct Current {
    connection: ConnectionConfig,
    proxies: Proxies,
    clients: Reread<Clients>,
}

impl Current {
    pub(super) fn new(
        connection: &ConnectionConfig,
        proxies: Proxies,
    ) -> Result<Self, ClientError> {
        let files = [
            &connection.ca_file,
            &connection.cert_file,
            &connection.key_file,
        ];
        let files = files.into_iter().flatten().cloned().collect();
        Ok(Self {
            connection: connection.clone(),
            proxies,
            clients: Reread::new(files, || build::clients(connection, proxies))?,
        })
    }

    /// The clients.
    pub(super) fn clients(&self) -> Clients {
        let make = || build::clients(&self.connection, self.proxies);
        self.clients.get("a source's certificates", make)
    }
}

//! Configuration of the API: `api` in `config/hub.yaml`.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use crate::config::Tls;

/// Where the API is, and who may read it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiConfig {
    /// Address and port. Without `tls` it must be a loopback address.
    pub listen: SocketAddr,
    /// The server's certificate. Read again when it changes.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// File with the bearer token of those who may read. Read for each request.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// PEM file with the authorities whose client certificates may read, all of them.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}

impl ApiConfig {
    /// What is wrong with it, by key.
    pub fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let checks = [
            (
                self.tls.is_none() && !self.listen.ip().is_loopback(),
                "listen",
                "must be a loopback address as long as api.tls is not set",
            ),
            (
                self.token_file.is_none() && self.client_ca_file.is_none(),
                "tokenFile",
                "must be set, or clientCaFile: the API is never open",
            ),
            (
                self.tls
                    .as_ref()
                    .is_some_and(|tls| tls.client_ca_file.is_some()),
                "tls.clientCaFile",
                "stands beside api.tls: api.clientCaFile",
            ),
            (
                self.tls.is_none() && self.client_ca_file.is_some(),
                "clientCaFile",
                "means nothing without api.tls",
            ),
        ];
        let wrong = checks.into_iter().filter(|(wrong, ..)| *wrong);
        wrong.map(|(_, key, message)| (key, message)).collect()
    }
}

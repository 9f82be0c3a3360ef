use anyhow::Result;

use super::answers;
use crate::{
    paths::{free_port, peer_binary, run_dir},
    process::Process,
    tls::client,
};

/// An etcd of one member, without TLS.
pub struct Etcd {
    process: Process,
    url: String,
}

impl Etcd {
    /// Starts one with an empty database.
    pub async fn start(name: &str) -> Result<Self> {
        let dir = run_dir(name)?;
        let url = format!("http://127.0.0.1:{}", free_port()?);
        let peer_url = format!("http://127.0.0.1:{}", free_port()?);
        let args = [
            format!("--name={name}"),
            format!("--data-dir={}", dir.join("data").display()),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster={name}={peer_url}"),
            "--log-level=warn".to_owned(),
            // Faster, and a killed process loses nothing by it: only a machine that loses power would.
            "--unsafe-no-fsync".to_owned(),
        ];
        let process = Process::start(name, &dir, &peer_binary("etcd"), args, &[])?;
        let etcd = Self { process, url };
        etcd.ready().await?;
        Ok(etcd)
    }

    /// Starts it again after [`Process::kill`], on the same port and data.
    pub async fn start_again(&self) -> Result<()> {
        self.process.start_again()?;
        self.ready().await
    }

    async fn ready(&self) -> Result<()> {
        answers(
            &self.process,
            &client(None)?,
            &format!("{}/readyz", self.url),
        )
        .await
    }

    /// The URL for clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process, to kill or to measure.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

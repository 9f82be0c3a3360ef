//! The real programs around the hub and its agents.

mod apiserver;
mod etcd;
mod flyteadmin;
mod registry;
mod s3;
mod shipped;

use std::time::Duration;

use anyhow::Result;
use reqwest::Client;

pub use apiserver::ApiServer;
pub use etcd::Etcd;
pub use flyteadmin::FlyteAdmin;
pub use registry::{Options as RegistryOptions, Registry, Request};
pub use s3::S3;
pub use shipped::{agent, hub};

use crate::process::Process;

/// How long a peer may take until it is ready: long, for busy machines.
const READY: Duration = Duration::from_mins(1);

/// Waits until `url` answers with a 2xx.
async fn answers(process: &Process, client: &Client, url: &str) -> Result<()> {
    process
        .ready(READY, || async {
            Ok(client.get(url).send().await?.error_for_status().map(drop)?)
        })
        .await
}

//! The real programs around the hub and its agents.

mod access_log;
mod apiserver;
mod aws;
mod cosign;
mod etcd;
mod flyteadmin;
mod nginx;
mod registry;
mod s3;
mod shipped;
mod token_server;
mod toxiproxy;

use std::time::Duration;

use anyhow::Result;
use reqwest::Client;

pub use access_log::Request;
pub use apiserver::{AccountKey, ApiServer};
pub use aws::{Aws, Call as AwsCall};
pub use cosign::SigningKey;
pub use etcd::Etcd;
pub use flyteadmin::FlyteAdmin;
pub use nginx::{Access as NginxAccess, Nginx, Options as NginxOptions};
pub use registry::{Options as RegistryOptions, Registry};
pub use s3::S3;
pub use shipped::{agent, hub};
pub use token_server::TokenServer;
pub use toxiproxy::{Proxy, Toxiproxy};

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

//! Command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;

use crate::auth::Client;

/// How the emulator starts. The defaults are those of the recordings.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "flyteadmin-emulator",
    about = "An in-memory FlyteAdmin 1.16.8 for tests"
)]
pub struct Options {
    /// Where FlyteAdmin's gRPC is served; port 0 for any.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where counters and faults are served; port 0 for any.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub http: SocketAddr,
    /// Written once both are served: `{"grpc": "…", "http": "…"}`.
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
    /// Projects that an empty database starts with.
    #[arg(long = "project", default_values = ["flytesnacks", "data-warehouse"])]
    pub projects: Vec<String>,
    /// Domains of every project.
    #[arg(long = "domain", default_values = ["development", "staging", "production"])]
    pub domains: Vec<String>,
    /// Keeps the state over restarts.
    #[arg(long)]
    pub state_file: Option<PathBuf>,
    /// Platform limit.
    #[arg(long, default_value = "2")]
    pub limit_cpu: String,
    /// Platform limit.
    #[arg(long, default_value = "1Gi")]
    pub limit_memory: String,
    /// Platform limit.
    #[arg(long, default_value = "1")]
    pub limit_gpu: String,
    /// Most nodes of a workflow.
    #[arg(long, default_value_t = 100)]
    pub limit_nodes: usize,
    /// Added to every call.
    #[arg(long, default_value_t = 0)]
    pub latency_ms: u64,
    /// An S3 that uploads go to, as http://host:port; absent: a storage that cannot sign.
    #[arg(long)]
    pub storage_endpoint: Option<String>,
    /// Its bucket.
    #[arg(long, default_value = "conformance")]
    pub storage_bucket: String,
    /// Its region.
    #[arg(long, default_value = "us-east-1")]
    pub storage_region: String,
    /// The access key that signs for it.
    #[arg(long, default_value = "conformance")]
    pub storage_key_id: String,
    /// The secret of that key.
    #[arg(long, default_value = "conformance-secret")]
    pub storage_secret: String,
    /// Database connections; creates in flight that reach it lock up.
    #[arg(long)]
    pub pool_limit: Option<usize>,
    /// Ask for tokens, and give them out at the HTTP address.
    #[arg(long)]
    pub auth: bool,
    /// Who gets tokens, as ID:SECRET:SCOPE,SCOPE.
    #[arg(
        long = "client",
        default_values = ["conformance:conformance-secret:all,offline", "narrow:conformance-secret:offline"]
    )]
    pub clients: Vec<Client>,
    /// How long a token lasts.
    #[arg(long, default_value_t = 1800)]
    pub token_seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self::parse_from(["flyteadmin-emulator"])
    }
}

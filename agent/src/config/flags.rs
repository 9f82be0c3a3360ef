//! Flags that set configuration keys, over all other sources.

use std::{net::SocketAddr, path::PathBuf};

use serde::Serialize;

use super::LogFormat;

/// Flags that set configuration keys. Those that are not given set nothing.
#[derive(Clone, Debug, Default, Serialize, clap::Args)]
pub struct Flags {
    #[command(flatten)]
    #[serde(skip_serializing_if = "HubFlags::is_empty")]
    hub: HubFlags,
    /// A namespace to watch instead of all; may be given several times (namespaces)
    #[arg(long = "namespace", value_name = "NAMESPACE")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<String>,
    /// A kubeconfig file (kubeconfig)
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    #[serde(skip_serializing_if = "WebFlags::is_empty")]
    web: WebFlags,
    #[command(flatten)]
    #[serde(skip_serializing_if = "LogFlags::is_empty")]
    log: LogFlags,
}

#[derive(Clone, Debug, Default, Serialize, clap::Args)]
struct HubFlags {
    /// Where the hub is: https://host:port (hub.endpoint)
    #[arg(long = "hub-endpoint", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, clap::Args)]
struct WebFlags {
    /// Address and port of health and metrics (web.listen)
    #[arg(long = "web-listen", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
}

#[derive(Clone, Debug, Default, Serialize, clap::Args)]
struct LogFlags {
    /// What is logged, for example info (log.level)
    #[arg(long = "log-level", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    /// How log lines look (log.format)
    #[arg(long = "log-format")]
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<LogFormat>,
}

impl HubFlags {
    fn is_empty(&self) -> bool {
        self.endpoint.is_none()
    }
}

impl WebFlags {
    fn is_empty(&self) -> bool {
        self.listen.is_none()
    }
}

impl LogFlags {
    fn is_empty(&self) -> bool {
        self.level.is_none() && self.format.is_none()
    }
}

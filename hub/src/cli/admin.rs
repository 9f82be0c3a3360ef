//! Which FlyteAdmin a command speaks to.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Args};

use crate::{
    config::{self, Config},
    registrar::{AuthConfig, FlyteAdminConfig, Registrar},
};

#[derive(Debug, Args)]
#[command(next_help_heading = "FlyteAdmin, by the hub's configuration or by its address")]
#[command(group(ArgGroup::new("which").args(["config", "admin_endpoint"]).multiple(true).required(true)))]
pub(super) struct AdminArgs {
    /// Configuration file of the hub. May be repeated: later ones over earlier ones, and the
    /// environment (`FLYTE_HUB_…`) over all. Its `flyteAdmins`, `sources` and `package` count.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The FlyteAdmin, by its name in the configuration. Not needed where there is but one.
    #[arg(long, value_name = "NAME", requires = "config")]
    flyte_admin: Option<String>,
    /// Its address instead: `host:port`, `dns:///host:port` or `https://host[:port]`.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "flyte_admin")]
    admin_endpoint: Option<String>,
    /// Speak plaintext to it.
    #[arg(long, requires = "admin_endpoint", conflicts_with_all = ["ca_file", "cert_file"])]
    insecure: bool,
    /// Certificates that its own must go back to (PEM), instead of the system's.
    #[arg(long, value_name = "FILE", requires = "admin_endpoint")]
    ca_file: Option<PathBuf>,
    /// The certificate that it is to know us by (PEM).
    #[arg(long, value_name = "FILE", requires_all = ["admin_endpoint", "key_file"])]
    cert_file: Option<PathBuf>,
    /// The key of this certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// OAuth 2 client whose tokens are sent, as flytectl's `admin.clientId`.
    #[arg(long, value_name = "ID", requires_all = ["admin_endpoint", "client_secret_file"])]
    client_id: Option<String>,
    /// File with the client's secret, as flytectl's `admin.clientSecretLocation`.
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,
}

impl AdminArgs {
    /// The configuration, if one was named.
    pub(super) fn config(&self) -> anyhow::Result<Option<Config>> {
        configured(&self.config)
    }

    /// Prepares to speak to it. Must be called within a tokio runtime.
    pub(super) fn registrar(&self, config: Option<&Config>) -> anyhow::Result<Registrar> {
        if let Some(endpoint) = &self.admin_endpoint {
            return Ok(Registrar::new(endpoint, &self.at(endpoint))?);
        }
        let none = Config::default();
        let admins = &config.unwrap_or(&none).flyte_admins;
        let names: Vec<_> = admins.keys().map(String::as_str).collect();
        let name = match (&self.flyte_admin, names.as_slice()) {
            (Some(name), _) => name.as_str(),
            (None, [only]) => only,
            (None, []) => bail!("the configuration has no flyteAdmins"),
            (None, _) => bail!("--flyte-admin must name one of {}", names.join(", ")),
        };
        let admin = admins.get(name).with_context(|| {
            format!(
                "there is no FlyteAdmin {name}; there are: {}",
                names.join(", ")
            )
        })?;
        Registrar::new(name, admin).with_context(|| format!("flyteAdmins.{name}"))
    }

    fn at(&self, endpoint: &str) -> FlyteAdminConfig {
        let auth = self.client_id.clone().zip(self.client_secret_file.clone());
        FlyteAdminConfig {
            insecure: self.insecure,
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            auth: auth.map(|(id, secret)| AuthConfig {
                client_id: Some(id),
                client_id_file: None,
                client_secret_file: secret,
                scopes: Vec::new(),
                audience: None,
                token_url: None,
                authorization_header: None,
            }),
            ..FlyteAdminConfig::at(endpoint)
        }
    }
}

/// The configuration in these files, if there are any.
pub(super) fn configured(files: &[PathBuf]) -> anyhow::Result<Option<Config>> {
    if files.is_empty() {
        return Ok(None);
    }
    Ok(Some(config::load(files)?))
}

//! The agent's binary. Everything is in the library.

use clap::Parser as _;
use flyte_registration_agent::cli::Cli;

fn main() -> anyhow::Result<()> {
    // The one TLS provider. It can only fail if there already is one, which then serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Cli::parse().execute()
}

//! The agent's binary. Everything is in the library.

use clap::Parser as _;
use flyte_registration_agent::cli::Cli;

fn main() -> anyhow::Result<()> {
    Cli::parse().execute()
}

//! Builds the real peers of the tests and the demo.

use anyhow::Result;
use clap::{Parser, Subcommand};
use flyte_registration_tests::{block_on, install::install};

/// Builds the real peers of the tests and the demo.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds what the tests and the demo need and is not built yet.
    Peers,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Peers => block_on(install()),
    }
}

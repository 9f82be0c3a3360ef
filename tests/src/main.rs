//! Builds the real peers of the tests and the demo, and runs the demo.

use anyhow::Result;
use clap::{Parser, Subcommand};
use flyte_registration_tests::{block_on, demo::demo, install::install, measure::measure};

/// Builds the real peers of the tests and the demo, and runs the demo.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds what the tests and the demo need and is not built yet.
    Peers,
    /// Two clusters, one hub, a real package registered.
    Demo {
        /// Exit when everything was seen to be so, instead of staying up.
        #[arg(long)]
        once: bool,
    },
    /// Prints the figures of docs/performance.md.
    Measure,
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Peers => block_on(install()),
        Command::Demo { once } => block_on(demo(once)),
        Command::Measure => block_on(measure()),
    }
}

//! Fetches 1,000 packages from a real registry, as the hub does it and as a client that does nothing else,
//! and prints the table of `docs/performance.md`. Ratios within one run are what counts.

#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)] // it speaks to a person

mod bare;
mod cases;
mod hub;
mod store;
mod table;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use flyte_registration_tests::block_on;

/// Compares the hub's sources with a bare HTTP client.
#[derive(Parser)]
struct Arguments {
    /// How often each figure is taken; the median is shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// What a process of its own is to fetch, so that its memory is the hub's alone.
    #[arg(long, hide = true)]
    task: Option<PathBuf>,
    /// Given by `cargo bench`, and not by `cargo test --all-targets`, which is not to take minutes.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    block_on(async {
        if let Some(task) = &arguments.task {
            println!("{}", serde_json::to_string(&hub::carry_out(task).await?)?);
        } else if arguments.bench {
            let measured = Box::pin(cases::measure(arguments.rounds.max(1))).await?;
            println!("{}", table::Table(&measured));
        }
        Ok(())
    })
}

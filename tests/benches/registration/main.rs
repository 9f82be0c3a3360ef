//! Registers 240 entities in a FlyteAdmin that is near, 20 ms and 50 ms away, as the hub does it and as
//! others do, and prints the table of `docs/performance.md`. Ratios within one run are what counts.

#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)] // it speaks to a person

mod bare;
mod cases;
mod package;
mod table;

use anyhow::Result;
use clap::Parser;
use flyte_registration_tests::block_on;

/// Compares the registrar with a bare client and with calls one at a time.
#[derive(Parser)]
struct Arguments {
    /// How often each figure is taken; the median is shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Given by `cargo bench`, and not by `cargo test --all-targets`, which is not to take minutes.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if !arguments.bench {
        return Ok(());
    }
    block_on(async {
        let measured = cases::measure(arguments.rounds.max(1)).await?;
        println!("{}", table::Table(&measured));
        Ok(())
    })
}

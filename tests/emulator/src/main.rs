//! See the library.

use clap::Parser as _;
use flyteadmin_emulator::{Emulator, Options};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Emulator::start(&Options::parse()).await?.wait().await
}

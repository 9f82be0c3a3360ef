//! The hub's command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    flyte_registration_hub::cli::main()
}

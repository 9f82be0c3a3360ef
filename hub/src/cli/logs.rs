//! Logs of the commands that people run: none, unless they ask for them.

use clap::{ArgAction, Args};
use tracing::Level;
use tracing_subscriber::{
    filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Log to standard error what is done; twice: every attempt.
    #[arg(long, short, action = ArgAction::Count)]
    verbose: u8,
}

impl Logs {
    /// Whether nothing is logged.
    pub(super) fn are_quiet(&self) -> bool {
        self.verbose == 0
    }

    pub(super) fn start(&self) {
        let level = match self.verbose {
            0 => return,
            1 => Level::INFO,
            _ => Level::DEBUG,
        };
        // Ours only: what libraries log of their connections helps nobody here.
        let filter = Targets::new().with_target("flyte_registration_hub", level);
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
        tracing_subscriber::registry()
            .with(lines.with_ansi(colours))
            .with(filter)
            .init();
    }
}

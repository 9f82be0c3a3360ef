//! What commands print, for people and for scripts.

use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::{Table, presets::NOTHING};
use serde::Serialize;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// For scripts.
    Json,
}

/// Prints a line, or several. That nobody reads on, as behind `head`, is no failure.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(print(&serde_json::to_string_pretty(value)?)?)
}

/// A table without lines, as kubectl prints them.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = rows();
    table.set_header(header);
    table
}

/// The same without a head, as it goes on below another.
pub(super) fn rows() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table
}

/// Text from a package or a server, without what would steer a terminal.
pub(super) fn plain(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n';
    text.chars().filter(|c| !steers(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(plain("a\u{1b}[31mb\r\nc\u{9b}d"), "a[31mb\ncd");
    }
}

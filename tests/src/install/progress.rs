use std::{
    fs::{self, File},
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tokio::{process::Command, time::interval};

use crate::paths::build_dir;

/// Runs a command of a minute or more, shows `label` with the seconds that it takes, and keeps its output as
/// `<name>.log`. A terminal sees the seconds pass; elsewhere there is a line every half minute.
pub(super) async fn run(label: &str, name: &str, mut command: Command) -> Result<()> {
    let logs = build_dir().join("logs");
    fs::create_dir_all(&logs)?;
    let path = logs.join(format!("{name}.log"));
    let log = File::create(&path)?;
    let mut child = command
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    let terminal = io::stderr().is_terminal();
    let mut ticks = interval(Duration::from_secs(if terminal { 1 } else { 30 }));
    let started = Instant::now();
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = ticks.tick() => show(label, started, if terminal { "\r" } else { "\n" }),
        }
    };
    if !status.success() {
        let text = fs::read_to_string(&path).unwrap_or_default();
        bail!("{label} failed, see {}\n{text}", path.display());
    }
    show(label, started, "\n");
    Ok(())
}

fn show(label: &str, started: Instant, end: &str) {
    // Nobody may be reading; the work goes on.
    let _ = write!(
        io::stderr(),
        "{label} … {} s{end}",
        started.elapsed().as_secs()
    );
}

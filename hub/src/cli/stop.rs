//! Being told to stop.

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

/// A signal ended the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("stopped by {name}")]
pub(super) struct Stopped {
    name: &'static str,
    /// 128 and the signal's number, as shells have it.
    pub(super) exit_code: u8,
}

/// Waits for SIGINT (Ctrl-C) or SIGTERM.
async fn told() -> std::io::Result<Stopped> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => Stopped { name: "SIGINT", exit_code: 130 },
        _ = terminate.recv() => Stopped { name: "SIGTERM", exit_code: 143 },
    })
}

/// Does `work`, which is dropped when a signal comes; temporary files are cleaned up then,
/// as after any error.
pub(super) async fn unless_stopped<T>(
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        done = work => done,
        stopped = told() => Err(stopped?.into()),
    }
}

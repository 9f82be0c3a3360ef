//! Where events go.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use super::{AuditConfig, store::Pending};

mod signature;
mod webhook;

#[cfg(test)]
pub(super) use signature::sign;
use webhook::Webhook;
pub use webhook::WebhookError;

/// Lines written at a time.
const LINES: u32 = 500;

/// A place that events are delivered to.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard output: one event a line. Logs go to standard error.
    Stdout,
    /// A server.
    Webhook(Box<Webhook>),
}

/// A sink did not take events.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Standard output is not read, or not there.
    #[error("standard output fails")]
    Stdout(#[source] io::Error),
    /// The server.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

impl Sink {
    /// Those that are configured.
    pub(super) fn all(config: &AuditConfig) -> Result<Vec<Self>, SinkError> {
        let stdout = config.stdout.then_some(Self::Stdout);
        let webhook = config.webhook.as_ref().map(Webhook::new).transpose()?;
        let webhook = webhook.map(|webhook| Self::Webhook(Box::new(webhook)));
        Ok(stdout.into_iter().chain(webhook).collect())
    }

    /// Names it in the store and in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Webhook(_) => "webhook",
        }
    }

    /// Most events of a delivery.
    pub(super) fn batch(&self) -> u32 {
        match self {
            Self::Stdout => LINES,
            Self::Webhook(webhook) => webhook.batch(),
        }
    }

    /// Longest delay before a repetition.
    pub(super) fn retry_max(&self) -> Duration {
        match self {
            Self::Stdout => Duration::from_secs(1),
            Self::Webhook(webhook) => webhook.retry_max(),
        }
    }

    /// Delivers `events`. They arrived when this returns.
    pub(super) async fn send(&mut self, events: &[Pending]) -> Result<(), SinkError> {
        let events: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
        match self {
            Self::Stdout => print(events.join("\n")).await.map_err(SinkError::Stdout),
            Self::Webhook(webhook) => Ok(webhook.send(&events).await?),
        }
    }
}

impl SinkError {
    /// Fewer events may be taken.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::Webhook(error) if error.is_too_large())
    }

    /// How long the other side asked to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Webhook(WebhookError::Refused { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }
}

/// In a thread of its own, as whoever reads may be slow.
async fn print(lines: String) -> io::Result<()> {
    let printed = tokio::task::spawn_blocking(move || {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{lines}")?;
        stdout.flush()
    });
    printed.await.map_err(io::Error::other)?
}

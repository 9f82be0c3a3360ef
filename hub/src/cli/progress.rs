//! Progress, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// One line on standard error that goes away at the end. If that is no terminal, nothing.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Shows nothing where `logs` are written to the same place.
    pub(super) fn new(quiet_logs: bool) -> Self {
        let bar = if quiet_logs {
            ProgressBar::new_spinner() // hides itself where it is not seen
        } else {
            ProgressBar::hidden()
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Something begins that has no measure.
    pub(super) fn begin(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }

    /// Something begins that has so many parts.
    pub(super) fn count(&self, what: impl Into<String>, parts: usize) {
        const LINE: &str = "{spinner} {msg} {pos}/{len} {bar:20} {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(LINE) {
            self.0.set_style(style);
        }
        self.0.set_length(parts as u64);
        self.0.set_message(what.into());
    }

    /// So many parts are done.
    pub(super) fn at(&self, part: usize) {
        self.0.set_position(part as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

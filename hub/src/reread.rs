//! What is made of files, and made anew when they change.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// A value, and the files that it is made of.
#[derive(Debug)]
pub(crate) struct Reread<T> {
    files: Vec<PathBuf>,
    every: Duration,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    looked: Instant,
    stamps: Vec<Stamp>,
    value: T,
}

/// What shows that a file is another one. `None` where it is not there.
pub(crate) type Stamp = Option<(SystemTime, u64, u64)>;

impl<T: Clone> Reread<T> {
    /// What `make` makes of `files`.
    pub fn new<E>(files: Vec<PathBuf>, make: impl FnOnce() -> Result<T, E>) -> Result<Self, E> {
        // Before they are read: what changes in between is found later.
        let stamps = stamps(&files);
        let state = State {
            looked: Instant::now(),
            stamps,
            value: make()?,
        };
        let state = Mutex::new(state);
        let every = LOOK_INTERVAL;
        Ok(Self {
            files,
            every,
            state,
        })
    }

    /// The value. Where the files have changed and cannot be used, as they are while somebody
    /// replaces one after the other, that of before. `what` names it in the log.
    pub fn get<E: std::error::Error + 'static>(
        &self,
        what: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) -> T {
        let mut state = self.state.lock();
        if state.looked.elapsed() >= self.every {
            self.look(&mut state, what, make);
        }
        state.value.clone()
    }

    /// The same, for whoever knows that the files have changed: they are looked at now.
    pub fn look_now<E: std::error::Error + 'static>(
        &self,
        what: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) {
        self.look(&mut self.state.lock(), what, make);
    }

    fn look<E: std::error::Error + 'static>(
        &self,
        state: &mut State<T>,
        what: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) {
        state.looked = Instant::now();
        let stamps = stamps(&self.files);
        if stamps == state.stamps {
            return;
        }
        match make() {
            Ok(value) => {
                state.value = value;
                state.stamps = stamps;
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "{what} changed and cannot be used; those of before are"
            ),
        }
    }
}

/// To look at them takes no time worth a task.
pub(crate) fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file| {
        let metadata = fs::metadata(file).ok()?;
        let modified = metadata.modified().ok()?;
        Some((modified, metadata.len(), metadata.ino()))
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        fs::write(&file, "1").unwrap();
        let make = || fs::read_to_string(&file).unwrap().parse::<u32>();
        let mut numbers = Reread::new(vec![file.clone()], make).unwrap();
        numbers.every = Duration::ZERO;
        for (text, number) in [("half", 1), ("22", 22), ("", 22), ("333", 333)] {
            fs::write(&file, text).unwrap();
            assert_eq!(numbers.get("the number", make), number, "{text:?}");
            assert_eq!(numbers.get("the number", make), number, "again");
        }
        numbers.every = LOOK_INTERVAL;
        fs::write(&file, "4444").unwrap();
        assert_eq!(
            numbers.get("the number", make),
            333,
            "it was looked at just now"
        );
        numbers.look_now("the number", make);
        assert_eq!(numbers.get("the number", make), 4444);
    }
}

//! The state behind its lock, and the settings that answers depend on.

use std::path::PathBuf;

use parking_lot::Mutex;

use crate::{error::Answer, persist, quantity::Quantity, storage::Storage, store::State};

/// Limits of the platform, as `FlyteAdmin`'s `task_resources.limits`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// CPU.
    pub cpu: Quantity,
    /// Memory.
    pub memory: Quantity,
    /// GPUs.
    pub gpu: Quantity,
    /// Nodes of one workflow.
    pub workflow_nodes: usize,
}

/// Settings that answers depend on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Projects that an empty database is seeded with.
    pub projects: Vec<String>,
    /// Domains of every project.
    pub domains: Vec<String>,
    /// Limits of the platform.
    pub limits: Limits,
    /// Where the state is kept, if anywhere.
    pub state_file: Option<PathBuf>,
    /// Where uploads go.
    pub storage: Option<Storage>,
}

/// The part of the emulator that answers calls.
#[derive(Debug)]
pub struct Admin {
    /// Never changes.
    pub settings: Settings,
    /// When the process started, as `GetVersion` tells it.
    pub started: String,
    state: Mutex<State>,
}

impl Admin {
    /// With the state of the file, or a seeded one.
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        let stored = match &settings.state_file {
            Some(path) => persist::load(path)?,
            None => None,
        };
        let state = stored.unwrap_or_else(|| State::seeded(&settings.projects));
        Ok(Self {
            started: format!("{} microseconds since 1970", crate::store::now()),
            state: Mutex::new(state),
            settings,
        })
    }

    /// Reads the state.
    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.lock())
    }

    /// Changes the state; what was written is on disk when this returns, also what was written
    /// before something failed: the real server takes nothing back.
    pub fn write<T>(&self, write: impl FnOnce(&mut State) -> Answer<T>) -> Answer<T> {
        let mut state = self.state.lock();
        let answer = write(&mut state);
        self.keep(&state)?;
        answer
    }

    /// As if the database had been reset and seeded anew.
    pub fn wipe(&self) -> Answer<()> {
        let mut state = self.state.lock();
        *state = State::seeded(&self.settings.projects);
        self.keep(&state)
    }

    /// As if the blob store had been emptied, as `mem` is by a restart.
    pub fn lose_closures(&self) -> Answer<()> {
        self.write(|state| {
            state.blobs.clear();
            Ok(())
        })
    }

    fn keep(&self, state: &State) -> Answer<()> {
        let Some(path) = &self.settings.state_file else {
            return Ok(());
        };
        persist::save(path, state)
    }
}

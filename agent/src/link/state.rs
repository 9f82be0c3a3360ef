//! How the agent stands with the hub.

use tokio::time::Instant;

/// Whether there is a session, and since when that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Whether there is one.
    pub up: bool,
    /// Since when.
    pub since: Instant,
}

impl LinkState {
    /// No session, as of now.
    pub fn down() -> Self {
        Self {
            up: false,
            since: Instant::now(),
        }
    }
}

/// What the hub said last to an agent that wanted a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet.
    #[default]
    Unknown,
    /// That it is welcome.
    Welcome,
    /// That it is not let in: somebody has to change something.
    Refused,
}

//! The gateway over real connections: who is let in, who is refused, and what is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests, which may fail

mod certificates;
mod known;
mod sessions;
mod slow;
mod support;

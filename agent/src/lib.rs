//! The agent: watches the `FlyteRegistration` resources of one Kubernetes cluster, streams
//! them to the hub, and writes the hub's answers into their status.
//!
//! It holds no credentials but its token for the hub, and interprets next to nothing, so
//! that an old agent serves a newer hub. What is decided is decided in pure modules
//! ([`watch::index`], `link::session`, `status::desk`, `lease::election`); the others carry
//! it out.

pub mod cli;
pub mod config;
pub mod crds;
pub mod health;
pub mod lease;
pub mod link;
pub mod metrics;
pub mod retry;
pub mod run;
pub mod status;
pub mod watch;
pub mod web;

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

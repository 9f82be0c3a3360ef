//! The agent: watches the `FlyteRegistration` resources of one Kubernetes cluster, streams
//! them to the hub, and writes the hub's answers into their status.
//!
//! It holds no credentials but its token for the hub, and interprets next to nothing, so
//! that an old agent serves a newer hub. What is decided is decided in pure modules
//! ([`watch::index`], `link::session`, `status::desk`, `lease::election`); the others carry
//! it out.

pub mod cli;
pub mod crds;
pub mod health;
pub mod link;
pub mod metrics;
pub mod retry;
pub mod status;
pub mod watch;

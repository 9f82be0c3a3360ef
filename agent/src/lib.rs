//! The agent: watches the `FlyteRegistration` resources of one Kubernetes cluster, streams
//! them to the hub, and writes the hub's answers into their status.
//!
//! It holds no credentials but its token for the hub, and interprets next to nothing, so
//! that an old agent serves a newer hub.

pub mod cli;
pub mod crds;

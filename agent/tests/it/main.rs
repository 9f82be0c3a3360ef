//! Tests of the agent's IO, against a hub and an API server in this process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod apiserver;
mod crds;
mod hub;
mod link;
mod world;
mod writer;

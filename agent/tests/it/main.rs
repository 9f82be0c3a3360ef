//! Tests of the agent's IO, against a hub and an API server in this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod apiserver;
mod crds;
mod hub;
mod link;
mod samples;
mod world;
mod writer;

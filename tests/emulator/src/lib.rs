//! An in-memory `FlyteAdmin` 1.16.8.
//!
//! It answers as the recordings of a real server do (see `tests/it/conformance.rs`) and
//! has no special case that the real one lacks. Beside that it counts what it is asked
//! and fails on request, see [`http`].

mod admin;
pub mod auth;
mod closures;
mod compile;
pub mod counters;
mod database;
mod dataproxy;
mod description;
mod diff;
mod digest;
mod dynamic;
mod error;
pub mod faults;
mod golang;
mod grpc;
pub mod http;
mod launch_plan;
mod list;
mod named_entity;
pub mod options;
mod persist;
mod pool;
mod project;
mod quantity;
mod reference;
mod resources;
mod server;
mod service;
mod storage;
mod store;
mod task;
mod types;
mod validate;
mod workflow;

pub use options::Options;
pub use server::Emulator;

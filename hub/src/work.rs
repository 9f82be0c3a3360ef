//! Work: a fair queue, and the tasks that take from it.

pub mod queue;
mod runner;

pub use runner::Runner;

//! Work: a fair queue, and the tasks that take from it.

pub mod queue;

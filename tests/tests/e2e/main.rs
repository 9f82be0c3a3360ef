//! The end-to-end tests: one process, so that all share the started peers.

mod peers;

//! What is fuzzed. `hub/tests/package/corpus.rs` runs the same over the inputs in `fuzz/corpus`.

pub mod archive;
pub mod entity;
pub mod faithful;
pub mod locate;
pub mod package;
pub mod receipt;
pub mod sound;
pub mod spec;
pub mod token;

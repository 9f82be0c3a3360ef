//! The hub: authorizes, downloads and registers what the agents' clusters ask for, and
//! tells the agents what became of it. `docs/architecture.md` shows how the modules
//! hang together.

pub mod package;
pub mod registrar;
pub mod source;

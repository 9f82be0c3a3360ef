//! The hub: authorizes, downloads and registers what the agents' clusters ask for, and
//! tells the agents what became of it. `docs/architecture.md` shows how the modules
//! hang together.

pub mod audit;
mod bounded;
pub mod cli;
pub mod config;
pub mod fleet;
mod flight;
pub mod gateway;
pub mod identity;
pub mod inspect;
pub mod metrics;
pub mod package;
pub mod push;
pub mod receipt;
pub mod registrar;
mod reload;
mod reread;
pub mod serve;
pub mod source;
pub mod tenancy;
pub mod tls;
pub mod web;
pub mod work;

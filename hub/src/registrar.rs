//! Executes plans against FlyteAdmin.

mod config;

pub use config::FlyteAdminConfig;

//! The command line, against an emulator of FlyteAdmin.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod bench;
mod diff;
mod dry_run;
mod fast;
mod policy;
mod register;
mod stop;
mod usage;

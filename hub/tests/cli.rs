//! The command line, against an emulator of FlyteAdmin.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/diff.rs"]
mod diff;
#[path = "cli/dry_run.rs"]
mod dry_run;
#[path = "cli/fast.rs"]
mod fast;
#[path = "cli/policy.rs"]
mod policy;
#[path = "cli/register.rs"]
mod register;
#[path = "cli/stop.rs"]
mod stop;
#[path = "cli/usage.rs"]
mod usage;

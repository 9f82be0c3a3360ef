//! Real peers for the end-to-end tests and the demo: they are started on free loopback ports as children that die with
//! this process, each in a directory of its own with its log in it.
//!
//! Tests run inside [`block_on`] and take the shared [`World`]; what the peers need is built by [`install`].

pub mod command;
pub mod delay;
pub mod demo;
pub mod install;
pub mod measure;
pub mod package;
pub mod paths;
pub mod peers;
pub mod process;
mod runtime;
pub mod serve;
pub mod system;
pub mod tls;
pub mod wait;
pub mod webhook;
mod world;

pub use runtime::block_on;
pub use system::{Setup, System};
pub use wait::wait_until;
pub use world::{PROJECTS, World};

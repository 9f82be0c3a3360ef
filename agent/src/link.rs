//! The link: one session after the other with the hub.

pub mod session;
mod terms;

pub use session::{Ended, Incoming, Session};
pub use terms::Terms;

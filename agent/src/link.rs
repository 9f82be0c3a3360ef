//! The link: one session after the other with the hub.

mod connect;
mod run;
pub mod session;
mod terms;

pub use connect::{Connection, connect};
pub use run::{Link, LinkState, Standing};
pub use session::{Ended, Incoming, Session};
pub use terms::Terms;

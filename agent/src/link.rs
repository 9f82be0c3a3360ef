//! The link: one session after the other with the hub.

mod connect;
mod run;
pub mod session;
mod state;
mod terms;

pub use connect::{Connection, connect};
pub use run::Link;
pub use session::{Ended, Incoming, Session};
pub use state::{LinkState, Standing};
pub use terms::Terms;

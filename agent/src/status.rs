//! The status of the resources: what is written, when, and by whom it was decided.

mod announce;
mod api;
pub mod desk;
mod overlay;
mod shared;
mod wanted;
mod writer;

pub use announce::{Announcement, announcement};
pub use api::Resources;
pub use desk::{Desk, Job, Outcome, Task};
pub use overlay::{Away, overlay};
pub use shared::SharedDesk;
pub use wanted::{Decision, Malformed, Wanted, decide};
pub use writer::Writer;

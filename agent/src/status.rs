//! The status of the resources: what is written, when, and by whom it was decided.

mod announce;
pub mod desk;
mod overlay;
mod wanted;

pub use announce::{Announcement, announcement};
pub use desk::{Desk, Job, Outcome, Task};
pub use overlay::overlay;
pub use wanted::{Decision, Malformed, Wanted, decide};

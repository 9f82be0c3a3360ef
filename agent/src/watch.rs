//! What the cluster holds: watches on `FlyteRegistration` resources and on namespaces, and
//! the index that they feed.

pub mod index;
pub mod kubernetes;
pub(crate) mod object;
mod shared;

pub use index::{Change, Index, Source};
pub use object::{Key, Observed, Ready};
pub use shared::{Dirty, Interest, Shared};

//! Reads packages made by `pyflyte package` and plans their registration. Pure.
//!
//! [`read`] takes the archive apart within [`Limits`]; [`plan()`] fills in the ids,
//! checks all that can be checked without FlyteAdmin, and answers with the requests to
//! send and the order that they need. Where the package brings its code along, the plan
//! leaves open where that lies: [`Plan::located`] fills it in once it is known.

mod activation;
mod archive;
mod check;
mod claims;
mod code;
mod entity;
mod error;
mod graph;
mod hydrate;
mod limits;
mod message;
mod options;
mod plan;
mod select;

pub use activation::{Activation, Chosen};
pub use archive::{Archive, read};
pub use claims::{Claim, ClaimKind, claims};
pub use code::{Code, copy_code};
pub use entity::{ExternalReference, Id};
pub(crate) use error::Kind;
pub use error::{PackageError, Problem, What};
pub use limits::Limits;
pub(crate) use message::{field, field_mut, repeated, repeated_mut, text};
pub use options::Options;
pub use plan::{Plan, Planned, Selection, Target, plan};

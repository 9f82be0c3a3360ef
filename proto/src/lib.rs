//! Wire contracts of the Flyte registration hub.
//!
//! [`hub`] is our own protocol between agents and the hub. `flyteidl` (behind the
//! feature of that name) is the part of Flyte's public interface that the hub
//! speaks to `FlyteAdmin`, written anew and wire-compatible.

#[cfg(feature = "flyteidl")]
#[allow(unused_qualifications)] // the generated code spells paths out
pub mod flyteidl;
#[allow(unused_qualifications)] // the generated code spells paths out
pub mod hub;
pub mod raw;

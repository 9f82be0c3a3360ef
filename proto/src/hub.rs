//! The stream between agents and the hub.

/// Version 1 of the stream, see `hub/v1/hub.proto`.
pub mod v1 {
    #![allow(missing_docs, clippy::pedantic)] // generated; documented in the .proto file

    tonic::include_proto!("flyteregistration.hub.v1");
}

/// The protocol versions that this build speaks, both ends included.
pub const PROTOCOL_VERSIONS: std::ops::RangeInclusive<u32> = 1..=1;

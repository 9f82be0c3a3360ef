//! The part of `FlyteIDL` (as of v1.16.8) that registration needs, see the `.proto`
//! files under `flyteidl/`.
//!
//! The generated types drop fields that they do not know. What is to pass through
//! whole is read as a [`prost_reflect::DynamicMessage`] of [`descriptor_pool`].

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// Package `flyteidl.core`: identifiers, types, templates.
pub mod core {
    #![allow(missing_docs, clippy::all, clippy::pedantic)] // generated; documented in the .proto files

    tonic::include_proto!("flyteidl.core");
}

/// Package `flyteidl.admin`: what `FlyteAdmin` is sent and answers.
pub mod admin {
    #![allow(missing_docs, clippy::all, clippy::pedantic)] // generated; documented in the .proto files

    tonic::include_proto!("flyteidl.admin");
}

/// Package `flyteidl.service`: clients and servers of `FlyteAdmin`'s services.
pub mod service {
    #![allow(missing_docs, clippy::all, clippy::pedantic)] // generated; documented in the .proto files

    tonic::include_proto!("flyteidl.service");
}

/// The serialized `FileDescriptorSet` of these packages and what they import.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/flyteidl.bin"));

/// Descriptors of these packages, for reading messages without losing fields.
pub fn descriptor_pool() -> &'static DescriptorPool {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        #[allow(clippy::expect_used)] // written by our own build script, used by every test
        DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors of the build")
    });
    &POOL
}

//! Packages: real ones, made by `pyflyte package`, and ones made by hand to be wrong.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "package/activation.rs"]
mod activation;
#[path = "package/archive.rs"]
mod archive;
#[path = "package/builder.rs"]
mod builder;
#[path = "package/claims.rs"]
mod claims;
#[path = "package/code.rs"]
mod code;
#[path = "package/corpus.rs"]
mod corpus;
#[path = "package/entities.rs"]
mod entities;
#[path = "package/properties.rs"]
mod properties;
#[path = "package/real.rs"]
mod real;
#[path = "package/selection.rs"]
mod selection;

use flyte_registration_hub::package::{
    Archive, Limits, PackageError, Plan, Selection, Target, plan, read,
};

fn target() -> Target {
    Target {
        project: "flytesnacks".to_owned(),
        domain: "development".to_owned(),
        version: "v1".to_owned(),
    }
}

fn read_default(package: &[u8]) -> Result<Archive, PackageError> {
    read(package, &Limits::default())
}

fn plan_all(package: &[u8]) -> Result<Plan, PackageError> {
    plan(read_default(package)?, &target(), &Selection::default())
}

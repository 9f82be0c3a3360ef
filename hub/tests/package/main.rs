//! Packages: real ones, made by `pyflyte package`, and ones made by hand to be wrong.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod activation;
mod archive;
mod claims;
mod code;
mod corpus;
mod entities;
mod extensions;
mod properties;
mod real;
mod selection;
mod terms;
mod wrong;

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

//! The fuzz targets over the inputs in `fuzz/corpus`: seeds, and what `make fuzz` has found.

#![allow(clippy::expect_used)]

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

// By its path: `fuzz/` is a workspace of its own, which brings libFuzzer.
#[path = "../../../fuzz/src/lib.rs"]
pub mod targets;

fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../fuzz/corpus");
    let mut inputs = 0;
    for entry in fs::read_dir(folder.join(name)).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        let tried = catch_unwind(AssertUnwindSafe(|| with_damage(&input, target)));
        assert!(tried.is_ok(), "with {}, see above", path.display());
        inputs += 1;
    }
    assert!(inputs > 2);
}

/// The input, and with a little damage each, in steps that keep this short.
fn with_damage(input: &[u8], target: fn(&[u8])) {
    target(input);
    for place in (0..input.len()).step_by(input.len() / 8 + 1) {
        let mut damaged = input.to_vec();
        damaged[place] ^= 0x55;
        target(&damaged);
        target(&input[..place]);
    }
}

#[test]
fn archives() {
    run("archive", targets::archive::run);
}

#[test]
fn entities() {
    run("entity", targets::entity::run);
}

#[test]
fn places_of_packages() {
    run("locate", targets::locate::run);
}

#[test]
fn packages() {
    run("package", targets::package::run);
}

#[test]
fn receipts() {
    run("receipt", targets::receipt::run);
}

#[test]
fn specs() {
    run("spec", targets::spec::run);
}

#[test]
fn tokens() {
    run("token", targets::token::run);
}

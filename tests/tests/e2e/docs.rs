//! What the documentation says of the tests.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::paths::tests_dir;

/// The names of all functions in the Rust files below `dir`.
fn functions(dir: &Path, names: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            functions(&path, names)?;
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path)?;
            let after = text.split("fn ").skip(1);
            names.extend(after.filter_map(|text| Some(text.split_once('(')?.0.to_owned())));
        }
    }
    Ok(())
}

#[test]
fn the_tests_that_attacks_are_said_to_fail_exist() -> Result<()> {
    let root = tests_dir().join("..");
    let mut names = BTreeSet::new();
    for dir in ["agent", "hub", "tests"] {
        functions(&root.join(dir), &mut names)?;
    }
    let text = fs::read_to_string(root.join("docs/attacks.md"))?;
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let tests: Vec<&str> = rows
        .filter_map(|row| row.split(" | ").nth(2))
        .flat_map(|tests| tests.split('`').skip(1).step_by(2))
        .collect();
    let missing: Vec<_> = tests.iter().filter(|it| !names.contains(**it)).collect();
    ensure!(missing.is_empty(), "there are no {missing:?}");
    tests.first().context("no test is named").map(drop)
}

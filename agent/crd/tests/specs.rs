//! The table of good and bad specs against the hub's own check.
#![allow(clippy::unwrap_used, reason = "a test")]

use flyte_registration_crd::FlyteRegistrationSpec;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    good: Vec<Good>,
    bad: Vec<Bad>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    name: String,
    spec: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    name: String,
    field: String,
    spec: Value,
}

fn table() -> Table {
    serde_saphyr::from_str(include_str!("specs.yaml")).unwrap()
}

/// What is wrong with a spec; empty when it is good.
fn problems(spec: Value) -> String {
    match FlyteRegistrationSpec::read(spec) {
        Ok(spec) => spec
            .check()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => error,
    }
}

#[test]
fn good_specs_are_accepted() {
    for case in table().good {
        assert_eq!(problems(case.spec), "", "{}", case.name);
    }
}

#[test]
fn bad_specs_are_refused_and_the_field_is_named() {
    let unnamed: Vec<String> = table()
        .bad
        .into_iter()
        .filter_map(|case| {
            let problems = problems(case.spec);
            (!problems.contains(&case.field)).then(|| format!("{}: {problems:?}", case.name))
        })
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

//! The emulator against what a real FlyteAdmin 1.16.8 was recorded to answer.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // helpers of tests

#[path = "conformance/compare.rs"]
mod compare;
#[path = "conformance/replay.rs"]
mod replay;

use std::{fs, path::Path};

use flyteadmin_emulator::{Emulator, Options};
use serde_json::Value;

fn recording(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../recordings")
        .join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("a recording")
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().expect("a list");
    items
        .iter()
        .map(|item| item.as_str().expect("text").to_owned())
        .collect()
}

/// A server as the recorded one was started.
async fn start(recording: &Value) -> Emulator {
    let options = Options {
        projects: texts(&recording["seed"]["projects"]),
        domains: texts(&recording["seed"]["domains"]),
        ..Options::default()
    };
    Emulator::start(&options)
        .await
        .expect("the emulator starts")
}

#[tokio::test]
async fn every_step_of_the_core_is_answered_as_recorded() {
    let recorded = recording("flyteadmin-1.16.8-core.json");
    let emulator = start(&recorded).await;
    let answered = replay::all(&recorded, emulator.grpc).await;
    let unequal = compare::unequal(&recorded, &answered);
    let steps = answered.len();
    assert_eq!(steps, 265, "steps in the recording");
    let report: Vec<_> = unequal
        .iter()
        .map(|(name, diff)| format!("{name}\n{diff}"))
        .collect();
    assert!(
        unequal.is_empty(),
        "{} of {steps} steps are unequal:\n{}",
        unequal.len(),
        report.join("\n")
    );
}

#[test]
fn the_comparison_notices_what_changed() {
    let recorded = recording("flyteadmin-1.16.8-core.json");
    let mut answers = recorded["steps"].as_array().expect("steps").clone();
    assert!(compare::unequal(&recorded, &answers).is_empty());
    let mut change = |step: &str, path: &str, value: &str| {
        let step = answers
            .iter_mut()
            .find(|answer| answer["name"] == step)
            .expect("a step");
        *step.pointer_mut(path).expect("a value") = value.into();
    };
    change("get-project", "/response/id", "other");
    change("create-task-no-id", "/message", "missing something");
    change(
        "create-task-archived-project",
        "/details/0/json/id",
        "other",
    );
    change("create-task-other-image", "/message", "another first line");
    change("get-task", "/response/closure/created_at", "not compared");
    let unequal = compare::unequal(&recorded, &answers);
    let names: Vec<_> = unequal.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "get-project",
            "create-task-other-image",
            "create-task-archived-project",
            "create-task-no-id"
        ]
    );
}

//! The text that tells how two structures under one version differ.

use std::fmt::Write as _;

use prost_reflect::DynamicMessage;
use serde_json::Value;

use crate::golang::{json, print};

/// One `path: - old + new` for each value that changed and each field that came or
/// went. A list that only grew or shrank gives no line, as with the real server.
pub fn lines(old: &DynamicMessage, new: &DynamicMessage) -> String {
    let mut changes = Vec::new();
    compare(
        "",
        &json::of_message(old),
        &json::of_message(new),
        &mut changes,
    );
    let mut text = String::new();
    for (index, (path, old, new)) in changes.iter().enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        let (old, new) = (print::value(old), print::value(new));
        let _ = write!(text, "{separator}{path}:\n\t- {old} \n\t+ {new}");
    }
    text
}

fn compare(path: &str, old: &Value, new: &Value, changes: &mut Vec<(String, Value, Value)>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let mut keys: Vec<_> = before.keys().chain(after.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (before.get(key), after.get(key)) {
                    (Some(old), Some(new)) => compare(&path, old, new, changes),
                    (old, new) => {
                        let side = |value: Option<&Value>| value.cloned().unwrap_or(Value::Null);
                        changes.push((path, side(old), side(new)));
                    }
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                compare(&format!("{path}/{index}"), old, new, changes);
            }
        }
        (old, new) if old != new => changes.push((path.to_owned(), old.clone(), new.clone())),
        _ => {}
    }
}

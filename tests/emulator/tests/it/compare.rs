//! What must be equal: everything outside the paths that a recording calls volatile;
//! of a message with a diff only its first line.

use std::fmt::Write as _;

use serde_json::{Value, json};

const FIELDS: [&str; 5] = ["code", "message", "details", "response", "http"];
/// How messages with a diff begin to show it.
const DIFF: &str = "with different structure already exists.";

/// The steps that differ, each with how.
pub fn unequal(recording: &Value, answers: &[Value]) -> Vec<(String, String)> {
    let mut want = json!({"steps": recording["steps"]});
    let mut got = json!({"steps": answers});
    for document in [&mut want, &mut got] {
        for path in list(&recording["volatile"]) {
            change(document, &parse(path), &mut |value| {
                *value = json!("<volatile>");
            });
        }
        for path in list(&recording["unordered"]) {
            change(document, &parse(path), &mut |value| {
                if let Value::Array(items) = value {
                    items.sort_by_key(Value::to_string);
                }
            });
        }
        let steps = document["steps"].as_array_mut().expect("steps");
        steps.iter_mut().for_each(normalize);
    }
    let steps = want["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .zip(answers_of(&got));
    let differing =
        steps.filter(|(want, got)| FIELDS.iter().any(|field| want[*field] != got[*field]));
    differing
        .map(|(want, got)| (text(&want["name"]), show(want, got)))
        .collect()
}

fn answers_of(document: &Value) -> &[Value] {
    document["steps"].as_array().expect("steps")
}

fn list(paths: &Value) -> impl Iterator<Item = &str> {
    paths
        .as_array()
        .expect("paths")
        .iter()
        .map(|path| path.as_str().expect("a path"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn normalize(step: &mut Value) {
    let message = text(&step["message"]);
    let message = if message.contains(DIFF) {
        message.lines().next().unwrap_or_default().to_owned()
    } else {
        message
    };
    let mut collapsed = String::new();
    for c in message.chars() {
        if c != ' ' || !collapsed.ends_with(' ') {
            collapsed.push(c);
        }
    }
    step["message"] = json!(collapsed);
}

fn show(want: &Value, got: &Value) -> String {
    let mut out = String::new();
    for field in FIELDS {
        differences(field, &want[field], &got[field], &mut out);
    }
    out
}

fn differences(path: &str, want: &Value, got: &Value, out: &mut String) {
    match (want, got) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<_> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let side = |object: &serde_json::Map<String, Value>| {
                    object.get(key).cloned().unwrap_or(json!("<absent>"))
                };
                differences(&format!("{path}.{key}"), &side(a), &side(b), out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (want, got)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{index}]"), want, got, out);
            }
        }
        (want, got) if want != got => {
            let _ = writeln!(
                out,
                "    {path}\n      recorded {want}\n      answered {got}"
            );
        }
        _ => {}
    }
}

enum Part {
    Key(String),
    Below(String),
    All,
    Named(String, String),
}

/// The part of `JSONPath` that the recordings use: `.name`, `..name`, `[*]` and
/// `[?@.name=="…"]`.
fn parse(path: &str) -> Vec<Part> {
    let mut rest = path.strip_prefix('$').expect("a path from the root");
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[*]") {
            parts.push(Part::All);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("[?@.") {
            let (filter, after) = after.split_once(']').expect("a filter");
            let (key, value) = filter.split_once("==").expect("a comparison");
            parts.push(Part::Named(
                key.to_owned(),
                value.trim_matches('"').to_owned(),
            ));
            rest = after;
        } else {
            let below = rest.starts_with("..");
            let name = rest.trim_start_matches('.');
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let key = name[..end].to_owned();
            parts.push(if below {
                Part::Below(key)
            } else {
                Part::Key(key)
            });
            rest = &name[end..];
        }
    }
    parts
}

fn change(value: &mut Value, path: &[Part], call: &mut impl FnMut(&mut Value)) {
    let Some((part, rest)) = path.split_first() else {
        return call(value);
    };
    match part {
        Part::Key(key) => {
            if let Some(inner) = value.get_mut(key) {
                change(inner, rest, call);
            }
        }
        Part::All => children(value, &mut |inner| change(inner, rest, call)),
        Part::Named(key, name) => children(value, &mut |inner| {
            if inner.get(key).and_then(Value::as_str) == Some(name) {
                change(inner, rest, call);
            }
        }),
        Part::Below(key) => below(value, key, &mut |inner| change(inner, rest, call)),
    }
}

fn below(value: &mut Value, key: &str, call: &mut dyn FnMut(&mut Value)) {
    if let Some(inner) = value.get_mut(key) {
        call(inner);
    }
    children(value, &mut |inner| below(inner, key, call));
}

fn children(value: &mut Value, call: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(call),
        Value::Object(object) => object.values_mut().for_each(call),
        _ => {}
    }
}

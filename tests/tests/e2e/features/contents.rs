//! What a package says, read without the hub's code.

use std::{fs::File, io::Read as _, path::Path};

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use flyte_registration_proto::flyteidl::descriptor_pool;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Task,
    Workflow,
    LaunchPlan,
}

/// The entities of a package: the messages of its files.
pub struct Contents(pub Vec<(Kind, DynamicMessage)>);

impl Contents {
    pub fn read(package: &Path) -> Result<Self> {
        let mut tar = tar::Archive::new(GzDecoder::new(File::open(package)?));
        let mut entities = Vec::new();
        for entry in tar.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            let (kind, message) = match name.rsplit('_').next() {
                Some("1.pb") => (Kind::Task, "TaskSpec"),
                Some("2.pb") => (Kind::Workflow, "WorkflowSpec"),
                Some("3.pb") => (Kind::LaunchPlan, "LaunchPlan"),
                _ => continue,
            };
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            let message = decode(&format!("flyteidl.admin.{message}"), &content)?;
            entities.push((kind, message));
        }
        Ok(Self(entities))
    }

    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &DynamicMessage> {
        let all = self.0.iter();
        all.filter_map(move |(other, message)| (*other == kind).then_some(message))
    }
}

pub fn decode(name: &str, bytes: &[u8]) -> Result<DynamicMessage> {
    let descriptor = descriptor_pool().get_message_by_name(name);
    Ok(DynamicMessage::decode(
        descriptor.with_context(|| format!("{name} is unknown"))?,
        bytes,
    )?)
}

/// The message below `path`, as `template.id`.
pub fn at(message: &DynamicMessage, path: &str) -> Result<DynamicMessage> {
    path.split('.').try_fold(message.clone(), |message, name| {
        let value = message.get_field_by_name(name);
        let inner = value.as_deref().and_then(Value::as_message).cloned();
        inner.with_context(|| format!("{path}: no message {name}"))
    })
}

pub fn list(message: &DynamicMessage, name: &str) -> Vec<DynamicMessage> {
    let value = message.get_field_by_name(name);
    let list = value.as_deref().and_then(Value::as_list);
    let messages = list.into_iter().flatten().filter_map(Value::as_message);
    messages.cloned().collect()
}

pub fn text(message: &DynamicMessage, name: &str) -> String {
    let value = message.get_field_by_name(name);
    let text = value.as_deref().and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Calls `change` with `message` and all messages within it.
pub fn each(message: &mut DynamicMessage, change: &mut impl FnMut(&mut DynamicMessage)) {
    change(message);
    for (_, value) in message.fields_mut() {
        match value {
            Value::Message(inner) => each(inner, change),
            Value::List(list) => {
                let inner = list.iter_mut().filter_map(Value::as_message_mut);
                inner.for_each(|inner| each(inner, change));
            }
            Value::Map(map) => {
                let inner = map.values_mut().filter_map(Value::as_message_mut);
                inner.for_each(|inner| each(inner, change));
            }
            _ => {}
        }
    }
}

/// The first place in which the messages differ: printed whole, they would fill the screen.
pub fn difference(one: &DynamicMessage, other: &DynamicMessage) -> Option<String> {
    let descriptor = one.descriptor();
    if one == other {
        return None;
    }
    let inner = descriptor.fields().find_map(|field| {
        let (was, is) = (one.get_field(&field), other.get_field(&field));
        let set = (one.has_field(&field), other.has_field(&field));
        let found = if set.0 == set.1 {
            in_value(&was, &is)
        } else {
            Some(format!("is set: {set:?}"))
        };
        found.map(|found| format!("{}.{found}", field.name()))
    });
    Some(inner.unwrap_or_else(|| "unknown fields".to_owned()))
}

fn in_value(one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Message(one), Value::Message(other)) => difference(one, other),
        (Value::List(one), Value::List(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(index, (one, other))| {
                in_value(one, other).map(|found| format!("{index}.{found}"))
            })
        }
        (Value::Map(one), Value::Map(other)) if one.len() == other.len() => {
            one.iter().find_map(|(key, one)| {
                let found = other
                    .get(key)
                    .map_or(Some(String::new()), |other| in_value(one, other));
                found.map(|found| format!("{key:?}.{found}"))
            })
        }
        (Value::List(one), Value::List(other)) => {
            Some(format!("has {} and {}", one.len(), other.len()))
        }
        (Value::Map(one), Value::Map(other)) => {
            Some(format!("has {} and {}", one.len(), other.len()))
        }
        (one, other) if one == other => None,
        (one, other) => Some(format!("is {one:?} and {other:?}")),
    }
}

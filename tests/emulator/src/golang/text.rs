//! Messages in Go's one-line text format, as in `name:"x"  version:"v1"`.

use flyte_registration_proto::flyteidl::{core, descriptor_pool};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};

use crate::dynamic::{self, Fields as _};

/// An identifier, or what Go prints for none.
pub fn identifier(id: Option<&core::Identifier>) -> String {
    id.and_then(|id| dynamic::untyped("flyteidl.core.Identifier", id).ok())
        .map_or_else(|| "<nil>".to_owned(), |id| message(&id))
}

/// The identifier of a database row, which has neither type nor org.
pub fn row_identifier(project: &str, domain: &str, name: &str, version: &str) -> String {
    identifier(Some(&core::Identifier {
        project: project.to_owned(),
        domain: domain.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        ..Default::default()
    }))
}

/// Any message. The Go library puts one or two spaces between fields, the same
/// throughout one build; this is a build with two.
pub fn message(message: &DynamicMessage) -> String {
    if let Some(text) = any(message) {
        return text;
    }
    let mut parts = Vec::new();
    for (field, value) in message.fields() {
        match value {
            Value::List(items) => {
                parts.extend(items.iter().map(|item| one(&field, field.name(), item)));
            }
            Value::Map(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| key_text(key));
                for (key, value) in entries {
                    let value = one(&field, "value", value);
                    parts.push(format!(
                        "{}:{{key:{:?}  {value}}}",
                        field.name(),
                        key_text(key)
                    ));
                }
            }
            value => parts.push(one(&field, field.name(), value)),
        }
    }
    parts.join("  ")
}

/// An `Any` shows what it holds, where that is known.
fn any(any: &DynamicMessage) -> Option<String> {
    if any.descriptor().full_name() != "google.protobuf.Any" {
        return None;
    }
    let url = any.text("type_url");
    let inner = descriptor_pool().get_message_by_name(url.rsplit('/').next()?)?;
    let value = any.get_field_by_name("value")?;
    let inner = DynamicMessage::decode(inner, value.as_bytes()?.clone()).ok()?;
    Some(format!("[{url}]:{{{}}}", message(&inner)))
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::String(text) => text.clone(),
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(value) => value.to_string(),
        MapKey::I64(value) => value.to_string(),
        MapKey::U32(value) => value.to_string(),
        MapKey::U64(value) => value.to_string(),
    }
}

fn one(field: &FieldDescriptor, name: &str, value: &Value) -> String {
    let text = match value {
        Value::Message(inner) => return format!("{name}:{{{}}}", message(inner)),
        Value::String(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        Value::EnumNumber(number) => match field.kind() {
            Kind::Enum(kind) => kind
                .get_value(*number)
                .map_or_else(|| number.to_string(), |value| value.name().to_owned()),
            _ => number.to_string(),
        },
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::List(_) | Value::Map(_) => String::new(), // neither nests in itself
    };
    format!("{name}:{text}")
}

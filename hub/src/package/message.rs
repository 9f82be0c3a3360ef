//! Reading and changing messages by the names of their fields, with all that we do not
//! know in them left as it is.

use std::borrow::Cow;

use flyte_registration_proto::flyteidl::{core::ResourceType, descriptor_pool};
use prost_reflect::{DynamicMessage, Value};

/// Decodes `bytes` as the message of this full name. Says what is wrong if it cannot.
pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<DynamicMessage, String> {
    let descriptor = descriptor_pool()
        .get_message_by_name(name)
        .ok_or_else(|| format!("{name} is not known"))?;
    DynamicMessage::decode(descriptor, bytes).map_err(|error| error.to_string())
}

/// The message in a field, if it is set.
pub(crate) fn field<'a>(message: &'a DynamicMessage, name: &str) -> Option<&'a DynamicMessage> {
    borrowed(message, name)?.as_message()
}

/// The messages in a repeated field.
pub(crate) fn repeated<'a>(
    message: &'a DynamicMessage,
    name: &str,
) -> impl Iterator<Item = &'a DynamicMessage> {
    list(message, name).iter().filter_map(Value::as_message)
}

/// The values in a repeated field.
pub(super) fn list<'a>(message: &'a DynamicMessage, name: &str) -> &'a [Value] {
    borrowed(message, name)
        .and_then(Value::as_list)
        .unwrap_or_default()
}

/// The text in a field; empty if it is not set.
pub(crate) fn text<'a>(message: &'a DynamicMessage, name: &str) -> &'a str {
    borrowed(message, name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The message in a field, to change it, if it is set.
pub(crate) fn field_mut<'a>(
    message: &'a mut DynamicMessage,
    name: &str,
) -> Option<&'a mut DynamicMessage> {
    // Asking for a field to change it would set it.
    if !message.has_field_by_name(name) {
        return None;
    }
    message.get_field_by_name_mut(name)?.as_message_mut()
}

/// The messages in a repeated field, to change them.
pub(crate) fn repeated_mut<'a>(
    message: &'a mut DynamicMessage,
    name: &str,
) -> impl Iterator<Item = &'a mut DynamicMessage> {
    let list = if message.has_field_by_name(name) {
        message
            .get_field_by_name_mut(name)
            .and_then(Value::as_list_mut)
    } else {
        None
    };
    list.map(Vec::as_mut_slice)
        .unwrap_or_default()
        .iter_mut()
        .filter_map(Value::as_message_mut)
}

/// The type in a `flyteidl.core.Identifier`; unspecified if it is one that we do not know.
pub(super) fn resource_type(id: &DynamicMessage) -> ResourceType {
    borrowed(id, "resource_type")
        .and_then(Value::as_enum_number)
        .and_then(|number| ResourceType::try_from(number).ok())
        .unwrap_or(ResourceType::Unspecified)
}

fn borrowed<'a>(message: &'a DynamicMessage, name: &str) -> Option<&'a Value> {
    match message.get_field_by_name(name)? {
        Cow::Borrowed(value) => Some(value),
        // Made up for a field that is not set.
        Cow::Owned(_) => None,
    }
}

//! Short ways through messages whose unknown fields must survive.

use std::borrow::Cow;

use flyte_registration_proto::flyteidl::descriptor_pool;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MapKey, ReflectMessage as _, Value};
use tonic::Code;

use crate::error::{AdminError, Answer};

/// An empty message of a type of ours, by its full name.
pub fn empty(name: &str) -> DynamicMessage {
    #[allow(clippy::expect_used)] // names are literals; each is used by the conformance test
    let descriptor = descriptor_pool()
        .get_message_by_name(name)
        .expect("a type of ours");
    DynamicMessage::new(descriptor)
}

/// A message out of our own store.
pub fn decode(name: &str, bytes: &[u8]) -> Answer<DynamicMessage> {
    DynamicMessage::decode(empty(name).descriptor(), bytes)
        .map_err(|error| AdminError::new(Code::Internal, format!("failed to unmarshal: {error}")))
}

/// The same message as a generated type; fields unknown to us are lost.
pub fn typed<T: prost::Message + Default>(message: &DynamicMessage) -> Answer<T> {
    message
        .transcode_to()
        .map_err(|error| AdminError::new(Code::Internal, format!("failed to unmarshal: {error}")))
}

/// A generated message as a dynamic one.
pub fn untyped(name: &str, message: &impl prost::Message) -> Answer<DynamicMessage> {
    decode(name, &message.encode_to_vec())
}

/// Field access by name. Absent and wrongly typed fields read as empty.
pub trait Fields {
    /// A field that holds a message, if it is set.
    fn message(&self, field: &str) -> Option<&DynamicMessage>;
    /// A list field.
    fn list(&self, field: &str) -> &[Value];
    /// A text field.
    fn text(&self, field: &str) -> &str;
    /// A field that holds a message; it is set if it was not.
    fn message_mut(&mut self, field: &str) -> Option<&mut DynamicMessage>;
    /// The messages of a list field.
    fn messages_mut(&mut self, field: &str) -> Vec<&mut DynamicMessage>;
    /// Sets a field that exists in the message's type.
    fn put(&mut self, field: &str, value: Value);
    /// Sets a field to a message.
    fn put_message(&mut self, field: &str, value: DynamicMessage);
}

impl Fields for DynamicMessage {
    fn message(&self, field: &str) -> Option<&DynamicMessage> {
        match self.get_field_by_name(field) {
            Some(Cow::Borrowed(Value::Message(message))) if self.has_field_by_name(field) => {
                Some(message)
            }
            _ => None,
        }
    }

    fn list(&self, field: &str) -> &[Value] {
        match self.get_field_by_name(field) {
            Some(Cow::Borrowed(Value::List(list))) => list,
            _ => &[],
        }
    }

    fn text(&self, field: &str) -> &str {
        match self.get_field_by_name(field) {
            Some(Cow::Borrowed(Value::String(text))) => text,
            _ => "",
        }
    }

    fn message_mut(&mut self, field: &str) -> Option<&mut DynamicMessage> {
        self.get_field_by_name_mut(field)?.as_message_mut()
    }

    fn messages_mut(&mut self, field: &str) -> Vec<&mut DynamicMessage> {
        if !self.has_field_by_name(field) {
            return Vec::new();
        }
        let list = self
            .get_field_by_name_mut(field)
            .and_then(Value::as_list_mut);
        let values = list.map(|list| list.iter_mut());
        values
            .into_iter()
            .flatten()
            .filter_map(Value::as_message_mut)
            .collect()
    }

    fn put(&mut self, field: &str, value: Value) {
        self.set_field_by_name(field, value);
    }

    fn put_message(&mut self, field: &str, value: DynamicMessage) {
        self.put(field, Value::Message(value));
    }
}

/// The entry of a map field.
pub fn entry<'a>(message: &'a DynamicMessage, field: &str, key: &str) -> Option<&'a Value> {
    match message.get_field_by_name(field) {
        Some(Cow::Borrowed(Value::Map(map))) => map.get(&MapKey::String(key.to_owned())),
        _ => None,
    }
}

/// The encoded message.
pub fn bytes(message: &DynamicMessage) -> Vec<u8> {
    message.encode_to_vec()
}

/// Sets a list of messages.
pub fn put_list(message: &mut DynamicMessage, field: &str, items: Vec<DynamicMessage>) {
    let items = items.into_iter().map(Value::Message).collect();
    message.put(field, Value::List(items));
}

/// A time of the store as a message.
pub fn timestamp(micros: u64) -> Answer<DynamicMessage> {
    untyped(
        "google.protobuf.Timestamp",
        &crate::store::timestamp(micros),
    )
}

//! What "identical structure" compares: the proto3 JSON of a message with sorted
//! keys. Fields that the server does not know are not part of it.

use prost_reflect::DynamicMessage;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::error::{AdminError, Answer};

/// A hash of the content.
pub fn of(message: &DynamicMessage) -> Answer<String> {
    let json = serde_json::to_value(message)
        .map_err(|error| AdminError::new(Code::Internal, error.to_string()))?;
    let mut text = String::new();
    write(&json, &mut text);
    Ok(hex::encode(Sha256::digest(text)))
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(object) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (key, item) in entries {
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(item, out);
                out.push(',');
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

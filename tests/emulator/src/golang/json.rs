//! Messages as `encoding/json` writes the structs that protoc-gen-go makes of them:
//! the shape in which the real server compares what it was sent with what it has.

use base64::Engine as _;
use prost_reflect::{DynamicMessage, MapKey, ReflectMessage as _, Value as Field};
use serde_json::{Map, Value};

/// The struct of a message. A oneof is a field of its own, named in Go's manner and
/// present even when it is not set, with the member wrapped once more.
pub fn of_message(message: &DynamicMessage) -> Value {
    if let Some(value) = well_known(message) {
        return value;
    }
    let mut object = Map::new();
    for oneof in message.descriptor().oneofs() {
        object.insert(camel(oneof.name()), Value::Null);
    }
    for (field, value) in message.fields() {
        let value = of_field(value);
        if let Some(oneof) = field.containing_oneof() {
            let member = Map::from_iter([(camel(field.name()), value)]);
            object.insert(camel(oneof.name()), Value::Object(member));
        } else {
            object.insert(field.name().to_owned(), value);
        }
    }
    Value::Object(object)
}

/// `Struct` and its kin write themselves as the JSON that they hold.
fn well_known(message: &DynamicMessage) -> Option<Value> {
    let descriptor = message.descriptor();
    let plain = ["Struct", "Value", "ListValue"].contains(&descriptor.name())
        && descriptor.package_name() == "google.protobuf";
    plain.then(|| serde_json::to_value(message).unwrap_or(Value::Null))
}

fn of_field(value: &Field) -> Value {
    match value {
        Field::List(items) => items.iter().map(of_field).collect(),
        Field::Map(map) => map
            .iter()
            .map(|(key, value)| {
                let key = match key {
                    MapKey::String(key) => key.clone(),
                    other => format!("{other:?}"), // FlyteIDL has text keys only
                };
                (key, of_field(value))
            })
            .collect(),
        Field::Message(message) => of_message(message),
        Field::Bool(value) => (*value).into(),
        Field::I32(value) | Field::EnumNumber(value) => (*value).into(),
        Field::I64(value) => (*value).into(),
        Field::U32(value) => (*value).into(),
        Field::U64(value) => (*value).into(),
        Field::F32(value) => f64::from(*value).into(),
        Field::F64(value) => (*value).into(),
        Field::String(value) => value.as_str().into(),
        Field::Bytes(value) => base64::prelude::BASE64_STANDARD.encode(value).into(),
    }
}

/// `k8s_pod` as `K8SPod`: a letter after `_` or a digit is raised.
fn camel(name: &str) -> String {
    let mut raise = true;
    let mut out = String::new();
    for c in name.chars() {
        if c == '_' {
            raise = true;
        } else {
            out.push(if raise { c.to_ascii_uppercase() } else { c });
            raise = c.is_ascii_digit();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::camel;

    #[test]
    fn names_are_raised_as_in_go() {
        assert_eq!(camel("k8s_pod"), "K8SPod");
        assert_eq!(camel("ScheduleExpression"), "ScheduleExpression");
        assert_eq!(camel("interruptible_value"), "InterruptibleValue");
    }
}

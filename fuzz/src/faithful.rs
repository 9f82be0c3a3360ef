//! Whether filling in ids left everything else as it was.

use prost_reflect::{DynamicMessage, ReflectMessage as _, UnknownField, Value};

const ID: &str = "flyteidl.core.Identifier";
const OPEN: [&str; 4] = [
    "",
    "{{ registration.project }}",
    "{{ registration.domain }}",
    "{{ registration.version }}",
];

/// Fails, with the place, if `after` differs from `before` in more than parts of ids that were left
/// open, and where code is unpacked to. Fields that we do not know are compared as bytes.
pub fn faithful(before: &DynamicMessage, after: &DynamicMessage) -> Result<(), String> {
    let name = before.descriptor().full_name().to_owned();
    if unknown(before) != unknown(after) {
        return Err(format!("{name}: unknown fields differ"));
    }
    let is_id = name == ID;
    for (field, now) in after.fields() {
        let was = before.get_field(&field);
        if is_id && was.as_str().is_some_and(|text| OPEN.contains(&text)) {
            continue;
        }
        if !before.has_field(&field) {
            return Err(format!("{name}.{}: was not set", field.name()));
        }
        value(&was, now).map_err(|place| format!("{name}.{}: {place}", field.name()))?;
    }
    match before.fields().find(|(field, _)| !after.has_field(field)) {
        Some((field, _)) => Err(format!("{name}.{}: is lost", field.name())),
        None => Ok(()),
    }
}

fn unknown(message: &DynamicMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encode = |field: &UnknownField| field.encode(&mut bytes);
    message.unknown_fields().for_each(encode);
    bytes
}

fn value(before: &Value, after: &Value) -> Result<(), String> {
    match (before, after) {
        (Value::Message(one), Value::Message(two)) => faithful(one, two),
        (Value::List(one), Value::List(two)) if one.len() == two.len() => {
            let mut pairs = one.iter().zip(two);
            pairs.try_for_each(|(one, two)| value(one, two))
        }
        (Value::Map(one), Value::Map(two)) if one.len() == two.len() => {
            one.iter().try_for_each(|(key, one)| match two.get(key) {
                Some(two) => value(one, two),
                None => Err(format!("{key:?} is lost")),
            })
        }
        // Not a number is not equal to itself.
        (Value::F64(one), Value::F64(two)) if one.to_bits() == two.to_bits() => Ok(()),
        (Value::F32(one), Value::F32(two)) if one.to_bits() == two.to_bits() => Ok(()),
        (Value::String(one), Value::String(two)) if one == "{{ .dest_dir }}" && two == "." => {
            Ok(())
        }
        (one, two) if one == two => Ok(()),
        (one, two) => Err(format!("{one:?} became {two:?}")),
    }
}

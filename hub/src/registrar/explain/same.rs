//! Equality of values, in which a number that is none equals itself: what was not changed
//! must not show.

use prost_reflect::{DynamicMessage, Value};

/// Whether two values are the same, unknown fields included.
pub(super) fn same(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::F32(one), Value::F32(two)) => one.to_bits() == two.to_bits(),
        (Value::F64(one), Value::F64(two)) => one.to_bits() == two.to_bits(),
        (Value::Message(one), Value::Message(two)) => messages(one, two),
        (Value::List(one), Value::List(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| same(one, two))
        }
        (Value::Map(one), Value::Map(two)) => {
            let held = |key, value| two.get(key).is_some_and(|other| same(value, other));
            one.len() == two.len() && one.iter().all(|(key, value)| held(key, value))
        }
        _ => one == two,
    }
}

/// The same of messages.
pub(super) fn messages(one: &DynamicMessage, two: &DynamicMessage) -> bool {
    let (mut ones, mut twos) = (one.fields(), two.fields());
    loop {
        match (ones.next(), twos.next()) {
            (None, None) => return one.unknown_fields().eq(two.unknown_fields()),
            (Some((field, one)), Some((other, two))) if field == other && same(one, two) => {}
            _ => return false,
        }
    }
}

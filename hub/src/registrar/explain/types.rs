//! Types of inputs and outputs, for people.

use flyte_registration_crd::bounded;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage as _, Value};

use super::path::printable;
use crate::package::{field, repeated, text};

/// Longest name of a type, in bytes.
const NAME_MAX: usize = 120;
/// Most variants or values that a name lists, and most levels that it has.
const LISTED: usize = 8;

/// A `flyteidl.core.LiteralType` in short, without its metadata and annotations.
pub(super) fn name(literal_type: &DynamicMessage) -> String {
    bounded(&nested(literal_type, 0), NAME_MAX)
}

fn nested(literal_type: &DynamicMessage, depth: usize) -> String {
    if depth >= LISTED {
        return "…".to_owned();
    }
    let inner = |name| field(literal_type, name).map(|inner| nested(inner, depth + 1));
    if let Some(item) = inner("collection_type") {
        format!("[{item}]")
    } else if let Some(item) = inner("map_value_type") {
        format!("{{STRING: {item}}}")
    } else if let Some(union) = field(literal_type, "union_type") {
        let variants = repeated(union, "variants").take(LISTED);
        let variants: Vec<_> = variants.map(|one| nested(one, depth + 1)).collect();
        variants.join(" | ")
    } else if let Some(values) = field(literal_type, "enum_type") {
        let values = values.get_field_by_name("values");
        let values = values.as_deref().and_then(Value::as_list);
        let values = values.unwrap_or_default().iter().take(LISTED);
        let values: Vec<_> = values
            .filter_map(Value::as_str)
            .map(|value| bounded(&printable(value), NAME_MAX))
            .collect();
        format!("ENUM({})", values.join(", "))
    } else if let Some(blob) = field(literal_type, "blob") {
        of_format("BLOB", text(blob, "format"))
    } else if let Some(dataset) = field(literal_type, "structured_dataset_type") {
        of_format("STRUCTURED_DATASET", text(dataset, "format"))
    } else if literal_type.has_field_by_name("schema") {
        "SCHEMA".to_owned()
    } else {
        simple(literal_type).unwrap_or_else(|| "unknown".to_owned())
    }
}

fn of_format(kind: &str, format: &str) -> String {
    if format.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}({})", bounded(&printable(format), NAME_MAX))
    }
}

fn simple(literal_type: &DynamicMessage) -> Option<String> {
    let field = literal_type.descriptor().get_field_by_name("simple")?;
    if !literal_type.has_field(&field) {
        return None;
    }
    let number = literal_type.get_field(&field).as_enum_number()?;
    let Kind::Enum(names) = field.kind() else {
        return None;
    };
    Some(names.get_value(number)?.name().to_owned())
}

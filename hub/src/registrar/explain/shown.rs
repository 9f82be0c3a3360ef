//! The closed list of what is shown. Everything else may be or hold a secret.

use flyte_registration_crd::bounded;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};

use super::{path::printable, types};
use crate::package::{field, text};

/// Longest value, in bytes.
const VALUE_MAX: usize = 120;

/// Fields whose values are shown: images, commands, resources, schedules, references.
const FIELDS: [(&str, &[&str]); 9] = [
    ("flyteidl.core.Container", &["image", "command"]),
    ("flyteidl.core.TaskNodeOverrides", &["container_image"]),
    (
        "flyteidl.core.Identifier",
        &[
            "resource_type",
            "project",
            "domain",
            "name",
            "version",
            "org",
        ],
    ),
    ("flyteidl.core.Resources.ResourceEntry", &["name", "value"]),
    (
        "flyteidl.core.GPUAccelerator",
        &["device", "unpartitioned", "partition_size"],
    ),
    ("flyteidl.core.SharedMemory", &["size_limit"]),
    (
        "flyteidl.admin.Schedule",
        &["cron_expression", "kickoff_time_input_arg"],
    ),
    ("flyteidl.admin.FixedRate", &["value", "unit"]),
    ("flyteidl.admin.CronSchedule", &["schedule", "offset"]),
];

/// Messages that hold nothing but what is shown: they are worth taking apart even where
/// only one side has them.
const OPEN: [&str; 6] = [
    "flyteidl.core.Resources",
    "flyteidl.core.ExtendedResources",
    "flyteidl.core.GPUAccelerator",
    "flyteidl.admin.Schedule",
    "flyteidl.admin.FixedRate",
    "flyteidl.admin.CronSchedule",
];

/// Messages that hold the user's data: not even the names in them are shown.
const OPAQUE: [&str; 7] = [
    "flyteidl.core.Literal",
    "flyteidl.core.Scalar",
    "flyteidl.core.BindingData",
    "flyteidl.core.BooleanExpression",
    "flyteidl.core.Error",
    "flyteidl.core.ArtifactQuery",
    "flyteidl.core.ArtifactID",
];

/// Whether a message is not looked into.
pub(super) fn is_opaque(message: &DynamicMessage) -> bool {
    let descriptor = message.descriptor();
    let name = descriptor.full_name();
    name.starts_with("google.protobuf.") || OPAQUE.contains(&name)
}

/// Whether a message holds only what is shown.
pub(super) fn is_open(message: &DynamicMessage) -> bool {
    OPEN.contains(&message.descriptor().full_name())
}

/// The value of a field that is neither message nor map, if it is one of those that are shown.
pub(super) fn value(field: &FieldDescriptor, value: &Value) -> Option<String> {
    let parent = field.parent_message();
    let listed = FIELDS
        .iter()
        .any(|(name, fields)| *name == parent.full_name() && fields.contains(&field.name()));
    if !listed {
        return None;
    }
    let text = match value {
        Value::String(image) if field.name().ends_with("image") => {
            is_image(image).then(|| image.clone())?
        }
        Value::List(words) => {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
            format!("[{}]", words.join(", "))
        }
        value => scalar(field, value)?,
    };
    Some(bounded(&printable(&text), VALUE_MAX))
}

fn scalar(field: &FieldDescriptor, value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::EnumNumber(number) => match field.kind() {
            Kind::Enum(names) => names.get_value(*number)?.name().to_owned(),
            _ => return None,
        },
        _ => return None,
    })
}

/// Whether a text is the name of an image and nothing else: what looks like one with a
/// password or a query is not shown.
fn is_image(text: &str) -> bool {
    let (name, digest) = text.split_once('@').unwrap_or((text, "sha256:"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    name.chars().all(plain) && digest.starts_with("sha256:") && digest.chars().all(plain)
}

/// A message in one value, if it is of a kind that is shown so.
pub(super) fn message(message: &DynamicMessage) -> Option<String> {
    let text = match message.descriptor().full_name() {
        "flyteidl.core.LiteralType" => types::name(message),
        "flyteidl.core.Variable" => types::name(field(message, "type")?),
        "flyteidl.core.Resources.ResourceEntry" => text(message, "value").to_owned(),
        "flyteidl.core.Identifier" => ["project", "domain", "name", "version"]
            .map(|part| text(message, part))
            .join(":"),
        _ => return None,
    };
    Some(bounded(&printable(&text), VALUE_MAX))
}

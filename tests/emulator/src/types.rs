//! The type language: what type a value has, and what may be given where.

use flyte_registration_proto::flyteidl::core::{
    Literal, LiteralType, Primitive, Scalar, SchemaType, SimpleType, StructuredDatasetType,
    UnionType, literal, literal_type::Type, primitive, scalar,
    schema_type::schema_column::SchemaColumnType,
};

use crate::{dynamic, golang::text};

/// How a binary value says that it is a structure.
const MESSAGE_PACK: &str = "msgpack";

/// A type of no parts.
pub fn simple(kind: SimpleType) -> LiteralType {
    of(Type::Simple(kind.into()))
}

fn of(kind: Type) -> LiteralType {
    LiteralType {
        r#type: Some(kind),
        ..LiteralType::default()
    }
}

/// As messages show it.
pub fn show(kind: Option<&LiteralType>) -> String {
    let kind = kind.and_then(|kind| dynamic::untyped("flyteidl.core.LiteralType", kind).ok());
    kind.as_ref()
        .map_or_else(|| "None".to_owned(), text::message)
}

fn is_simple(kind: &LiteralType, simple: SimpleType) -> bool {
    kind.r#type == Some(Type::Simple(simple.into()))
}

/// `None` is among its variants.
pub fn is_optional(kind: Option<&LiteralType>) -> bool {
    let Some(Type::UnionType(union)) = kind.and_then(|kind| kind.r#type.as_ref()) else {
        return false;
    };
    union.variants.iter().any(|variant| match variant.r#type {
        Some(Type::Simple(simple)) => simple == SimpleType::None as i32,
        _ => true, // whoever asks a type that is not simple hears NONE
    })
}

/// The type of a value, if it can be told.
pub fn of_literal(literal: &Literal) -> Option<LiteralType> {
    match literal.value.as_ref()? {
        literal::Value::Scalar(scalar) => of_scalar(scalar),
        literal::Value::Collection(list) => {
            let inner = of_literals(&mut list.literals.iter());
            Some(of(Type::CollectionType(Box::new(inner))))
        }
        literal::Value::Map(map) => {
            let inner = of_literals(&mut map.literals.values());
            Some(of(Type::MapValueType(Box::new(inner))))
        }
        literal::Value::OffloadedMetadata(data) => data.inferred_type.clone(),
    }
}

fn of_literals(literals: &mut dyn Iterator<Item = &Literal>) -> LiteralType {
    let mut found: Vec<LiteralType> = Vec::new();
    let mut empty = None;
    for literal in literals {
        let Some(kind) = of_literal(literal) else {
            continue;
        };
        let is_empty = matches!(&literal.value,
            Some(literal::Value::Collection(list)) if list.literals.is_empty());
        if is_empty {
            empty = Some(kind);
        } else if !found.contains(&kind) {
            found.push(kind);
        }
    }
    if found.is_empty() {
        found.extend(empty);
    }
    match found.len() {
        0 => simple(SimpleType::None),
        1 => found.remove(0),
        _ => {
            found.sort_by_key(|kind| show(Some(kind)));
            of(Type::UnionType(UnionType { variants: found }))
        }
    }
}

/// The type of a primitive value.
pub fn of_primitive(primitive: &Primitive) -> LiteralType {
    simple(match &primitive.value {
        Some(primitive::Value::Integer(_)) => SimpleType::Integer,
        Some(primitive::Value::FloatValue(_)) => SimpleType::Float,
        Some(primitive::Value::StringValue(_)) => SimpleType::String,
        Some(primitive::Value::Boolean(_)) => SimpleType::Boolean,
        Some(primitive::Value::Datetime(_)) => SimpleType::Datetime,
        Some(primitive::Value::Duration(_)) => SimpleType::Duration,
        None => SimpleType::None,
    })
}

/// The type of a scalar, if it can be told.
pub fn of_scalar(scalar: &Scalar) -> Option<LiteralType> {
    Some(match scalar.value.as_ref()? {
        scalar::Value::Primitive(primitive) => of_primitive(primitive),
        scalar::Value::Blob(blob) => of(Type::Blob(
            blob.metadata.clone()?.r#type.unwrap_or_default(),
        )),
        scalar::Value::Binary(binary) if binary.tag == MESSAGE_PACK => simple(SimpleType::Struct),
        scalar::Value::Binary(_) => simple(SimpleType::Binary),
        scalar::Value::Schema(schema) => {
            of(Type::Schema(schema.r#type.clone().unwrap_or_default()))
        }
        scalar::Value::NoneType(_) => simple(SimpleType::None),
        scalar::Value::Error(_) => simple(SimpleType::Error),
        scalar::Value::Generic(_) => simple(SimpleType::Struct),
        scalar::Value::StructuredDataset(dataset) => {
            let metadata = dataset.metadata.clone().unwrap_or_default();
            let kind = metadata.structured_dataset_type.unwrap_or_default();
            of(Type::StructuredDatasetType(kind))
        }
        scalar::Value::Union(union) => of(Type::UnionType(UnionType {
            variants: union.r#type.clone().into_iter().collect(),
        })),
    })
}

/// Whether what has the one type may be given where the other is wanted. Of
/// structures only the tag is compared: JSON schemas are not.
pub fn castable(given: &LiteralType, wanted: &LiteralType) -> bool {
    if let Some(Type::UnionType(union)) = &given.r#type
        && let [only] = union.variants.as_slice()
        && casts(only, wanted)
    {
        return true;
    }
    casts(given, wanted)
}

fn casts(given: &LiteralType, wanted: &LiteralType) -> bool {
    match (&wanted.r#type, &given.r#type) {
        (Some(Type::CollectionType(wanted)), Some(Type::CollectionType(given)))
        | (Some(Type::MapValueType(wanted)), Some(Type::MapValueType(given))) => {
            is_simple(given, SimpleType::None) || casts(given, wanted)
        }
        (Some(Type::Blob(wanted)), Some(Type::Blob(given))) => {
            given.format.is_empty() || wanted.format.is_empty() || given.format == wanted.format
        }
        (Some(Type::CollectionType(_) | Type::MapValueType(_) | Type::Blob(_)), _) => false,
        (Some(Type::UnionType(wanted)), Some(Type::UnionType(given))) => {
            let taken =
                |given: &LiteralType| wanted.variants.iter().any(|one| castable(given, one));
            given.variants.iter().all(taken)
        }
        (Some(Type::UnionType(wanted)), _) => {
            wanted
                .variants
                .iter()
                .filter(|one| castable(given, one))
                .count()
                == 1
        }
        (Some(Type::Schema(wanted)), _) => schema(given, wanted),
        (Some(Type::StructuredDatasetType(wanted)), _) => dataset(given, wanted),
        _ if is_simple(wanted, SimpleType::None) => is_simple(given, SimpleType::None),
        _ => plain(given, wanted),
    }
}

fn plain(given: &LiteralType, wanted: &LiteralType) -> bool {
    let is_enum = |kind: &LiteralType| matches!(kind.r#type, Some(Type::EnumType(_)));
    if is_enum(given) && is_simple(wanted, SimpleType::String)
        || is_enum(wanted) && is_simple(given, SimpleType::String)
    {
        return true;
    }
    let tag = |kind: &LiteralType| {
        kind.structure
            .as_ref()
            .map(|s| s.tag.clone())
            .unwrap_or_default()
    };
    if !tag(given).is_empty() && tag(given) != tag(wanted) {
        return false;
    }
    given.r#type == wanted.r#type
}

fn schema(given: &LiteralType, wanted: &SchemaType) -> bool {
    let columns = match &given.r#type {
        Some(Type::Schema(given)) => {
            let columns = given
                .columns
                .iter()
                .map(|column| (&column.name, of_column(column.r#type())));
            columns.collect::<Vec<_>>()
        }
        Some(Type::StructuredDatasetType(given)) => {
            if !given.format.is_empty() && !given.format.eq_ignore_ascii_case("parquet") {
                return false;
            }
            let kind = |kind: &Option<LiteralType>| kind.clone().unwrap_or_default();
            given
                .columns
                .iter()
                .map(|column| (&column.name, kind(&column.literal_type)))
                .collect()
        }
        _ => return false,
    };
    let has = |name: &String, kind: &LiteralType| {
        columns
            .iter()
            .any(|(other, given)| *other == name && given.r#type == kind.r#type)
    };
    columns.is_empty()
        || wanted
            .columns
            .iter()
            .all(|column| has(&column.name, &of_column(column.r#type())))
}

fn dataset(given: &LiteralType, wanted: &StructuredDatasetType) -> bool {
    let parquet = |format: &str| format.is_empty() || format.eq_ignore_ascii_case("parquet");
    let columns: Vec<(&String, LiteralType)> = match &given.r#type {
        Some(Type::Simple(none)) if *none == SimpleType::None as i32 => return true,
        Some(Type::Schema(_)) if !parquet(&wanted.format) => return false,
        Some(Type::Schema(given)) => given
            .columns
            .iter()
            .map(|column| (&column.name, of_column(column.r#type())))
            .collect(),
        Some(Type::StructuredDatasetType(given)) => {
            let both = !given.format.is_empty() && !wanted.format.is_empty();
            if both && !given.format.eq_ignore_ascii_case(&wanted.format) {
                return false;
            }
            let kind = |kind: &Option<LiteralType>| kind.clone().unwrap_or_default();
            given
                .columns
                .iter()
                .map(|column| (&column.name, kind(&column.literal_type)))
                .collect()
        }
        _ => return false,
    };
    columns.is_empty()
        || wanted.columns.iter().all(|column| {
            let kind = column.literal_type.clone().unwrap_or_default();
            columns
                .iter()
                .any(|(name, given)| **name == column.name && casts(given, &kind))
        })
}

fn of_column(column: SchemaColumnType) -> LiteralType {
    simple(match column {
        SchemaColumnType::Integer => SimpleType::Integer,
        SchemaColumnType::Float => SimpleType::Float,
        SchemaColumnType::String => SimpleType::String,
        SchemaColumnType::Boolean => SimpleType::Boolean,
        SchemaColumnType::Datetime => SimpleType::Datetime,
        SchemaColumnType::Duration => SimpleType::Duration,
    })
}

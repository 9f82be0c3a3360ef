//! Flyte's types in a few characters.

use flyte_registration_proto::flyteidl::core::{
    LiteralType, SimpleType, blob_type::BlobDimensionality, literal_type::Type,
};

/// Types can nest without end; people do not read that far.
const DEPTH_MAX: usize = 8;
/// Longest list of values or variants that is shown whole.
const LIST_MAX: usize = 8;

/// A type as `list[integer]`, `union[string, none]`, `file`.
pub(super) fn describe(literal: Option<&LiteralType>) -> String {
    nested(literal, DEPTH_MAX)
}

fn nested(literal: Option<&LiteralType>, depth: usize) -> String {
    let Some(type_) = literal.and_then(|literal| literal.r#type.as_ref()) else {
        return "unknown".to_owned();
    };
    let Some(depth) = depth.checked_sub(1) else {
        return "…".to_owned();
    };
    match type_ {
        Type::Simple(simple) => SimpleType::try_from(*simple).map_or_else(
            |_| "unknown".to_owned(),
            |simple| simple.as_str_name().to_lowercase(),
        ),
        Type::CollectionType(item) => format!("list[{}]", nested(Some(item), depth)),
        Type::MapValueType(value) => format!("map[string, {}]", nested(Some(value), depth)),
        Type::Blob(blob) if blob.dimensionality() == BlobDimensionality::Multipart => {
            "directory".to_owned()
        }
        Type::Blob(_) => "file".to_owned(),
        Type::Schema(_) => "schema".to_owned(),
        Type::StructuredDatasetType(_) => "structured dataset".to_owned(),
        Type::EnumType(values) => {
            format!("enum[{}]", list(values.values.iter().cloned()))
        }
        Type::UnionType(union) => {
            let variants = union
                .variants
                .iter()
                .map(|variant| nested(Some(variant), depth));
            format!("union[{}]", list(variants))
        }
    }
}

fn list(mut items: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = items.by_ref().take(LIST_MAX).collect();
    if items.next().is_some() {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use flyte_registration_proto::flyteidl::core::{EnumType, UnionType};

    use super::*;

    fn literal(type_: Type) -> LiteralType {
        LiteralType {
            r#type: Some(type_),
            ..LiteralType::default()
        }
    }

    fn integer() -> LiteralType {
        literal(Type::Simple(SimpleType::Integer.into()))
    }

    #[test]
    fn types_are_short() {
        let list = literal(Type::CollectionType(Box::new(integer())));
        assert_eq!(describe(Some(&list)), "list[integer]");
        let union = literal(Type::UnionType(UnionType {
            variants: vec![integer(), literal(Type::Simple(SimpleType::None.into()))],
        }));
        assert_eq!(describe(Some(&union)), "union[integer, none]");
        assert_eq!(describe(None), "unknown");
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let mut deep = integer();
        for _ in 0..50 {
            deep = literal(Type::CollectionType(Box::new(deep)));
        }
        assert!(describe(Some(&deep)).contains('…'));
        let long = literal(Type::EnumType(EnumType {
            values: vec!["v".to_owned(); 1000],
        }));
        assert!(describe(Some(&long)).len() < 100);
    }
}

//! Sizes in bytes, as numbers or in Kubernetes' notation (`512Mi`). Helm writes large numbers as
//! `1e+09`, which is why there is a notation that stays text.

use std::fmt;

use serde::{Deserializer, Serializer, de};

const UNITS: [(&str, u64); 4] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
];

/// For serde's `with`.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
pub(crate) fn serialize<S: Serializer>(size: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(*size)
}

/// For serde's `with`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Size)
}

fn parse(text: &str) -> Option<u64> {
    let unit = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1));
    number.parse::<u64>().ok()?.checked_mul(factor)
}

struct Size;

impl de::Visitor<'_> for Size {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes, or text such as 512Mi or 10Gi")
    }

    fn visit_u64<E: de::Error>(self, size: u64) -> Result<u64, E> {
        Ok(size)
    }

    fn visit_i64<E: de::Error>(self, size: i64) -> Result<u64, E> {
        u64::try_from(size).map_err(|_| E::invalid_value(de::Unexpected::Signed(size), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations() {
        assert_eq!(parse("7"), Some(7));
        assert_eq!(parse("512Mi"), Some(512 << 20));
        assert_eq!(parse("10Gi"), Some(10 << 30));
        for bad in ["", "Mi", "1.5Gi", "1GB", "-1", "99999999999Ti"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}

//! One byte form for equal JSON values, to compare and to hash them.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The JSON text of `value` with sorted keys and without spaces.
///
/// `serde_json`'s maps are sorted as long as no crate of the build turns on its
/// feature `preserve_order`; the test below notices if one does.
pub fn text(value: &Value) -> String {
    value.to_string()
}

/// sha256 over [`text`].
pub fn sha256(value: &Value) -> [u8; 32] {
    Sha256::digest(text(value).as_bytes()).into()
}

/// The hash by which agent and hub compare statuses: sha256 over the status without
/// its receipt, which carries this very hash. `None` stands for no status.
pub fn status_hash(status: Option<&Value>) -> Vec<u8> {
    match status {
        Some(Value::Object(fields)) if !fields.is_empty() => {
            let mut fields = fields.clone();
            fields.remove("receipt");
            sha256(&Value::Object(fields)).to_vec()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn order_of_keys_does_not_matter() {
        let one: Value =
            serde_json::from_str(r#"{"b": {"y": 1, "x": [2, 1]}, "a": null}"#).unwrap();
        assert_eq!(text(&one), r#"{"a":null,"b":{"x":[2,1],"y":1}}"#);
    }

    #[test]
    fn receipt_is_left_out_of_the_status_hash() {
        let with = json!({"observedGeneration": 1, "receipt": "r"});
        let without = json!({"observedGeneration": 1});
        assert_eq!(status_hash(Some(&with)), status_hash(Some(&without)));
        assert_ne!(
            status_hash(Some(&with)),
            status_hash(Some(&json!({"observedGeneration": 2})))
        );
    }

    #[test]
    fn no_status_has_no_hash() {
        assert!(status_hash(None).is_empty());
        assert!(status_hash(Some(&json!({}))).is_empty());
    }
}

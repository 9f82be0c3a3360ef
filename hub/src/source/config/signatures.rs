//! Which signatures are demanded.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// Packages must be signed with cosign, by one of these keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignaturesConfig {
    /// PEM files with public keys, ECDSA P-256 or RSA. Read at each use.
    #[serde(deserialize_with = "at_least_one")]
    pub key_files: Vec<PathBuf>,
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let files = Vec::deserialize(deserializer)?;
    if files.is_empty() {
        return Err(D::Error::custom("keyFiles must name a file"));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_must_be_named() {
        let read = |json| serde_json::from_str::<SignaturesConfig>(json);
        let config = read(r#"{"keyFiles": ["/a.pub", "/b.pub"]}"#).unwrap();
        assert_eq!(config.key_files, [PathBuf::from("/a.pub"), "/b.pub".into()]);
        for bad in [
            "{}",
            r#"{"keyFiles": []}"#,
            r#"{"keyFiles": ["/a"], "tlog": true}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

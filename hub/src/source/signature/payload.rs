//! What was signed. Pure.

use serde::Deserialize;

use super::key::Keys;
use crate::source::{error::quoted, names::Digest};

/// `critical.type` of what cosign signs.
const TYPE: &str = "cosign container image signature";

/// Why a signature does not count: the further down, the closer it came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unfit {
    /// There is none.
    Missing,
    /// By none of the keys.
    Key,
    /// By one of them, of something that is no payload of cosign's.
    Payload(String),
    /// By one of them, of another manifest.
    Manifest(String),
}

/// The simple signing format. `critical.identity.docker-reference` is not looked at: it is the name
/// that the signer used, says nothing about tags, and changes when a registry is mirrored.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    manifest: String,
}

/// Makes sure that `signature` of `payload` is by one of `keys`, and says that it is about
/// `manifest`. What nobody known signed is not parsed.
pub(super) fn check(
    payload: &[u8],
    signature: &[u8],
    keys: &Keys,
    manifest: &Digest,
) -> Result<(), Unfit> {
    if !keys.signed(payload, signature) {
        return Err(Unfit::Key);
    }
    let payload: Payload = serde_json::from_slice(payload)
        .map_err(|error| Unfit::Payload(quoted(&error.to_string())))?;
    let Critical { image, kind } = payload.critical;
    if kind != TYPE {
        return Err(Unfit::Payload(format!("its type is {}", quoted(&kind))));
    }
    if image.manifest != manifest.as_str() {
        return Err(Unfit::Manifest(quoted(&image.manifest)));
    }
    Ok(())
}

impl Unfit {
    /// What the tenant is told, of `count` signatures of which this came closest.
    pub(super) fn explain(&self, manifest: &Digest, count: usize) -> String {
        match self {
            Self::Missing => format!("no signature of {manifest} can be read"),
            Self::Key => {
                format!("none of the {count} signatures of {manifest} is by a key that is accepted")
            }
            Self::Payload(problem) => {
                format!("the signature of {manifest} is of something else: {problem}")
            }
            Self::Manifest(other) => {
                format!("the signature that lies beside {manifest} is of {other}")
            }
        }
    }
}

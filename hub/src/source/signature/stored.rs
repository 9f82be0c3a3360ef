//! How cosign stores signatures. Pure.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::source::{error::quoted, names::Digest};

/// Most signatures that are looked at.
pub(super) const SIGNATURES_MAX: usize = 64;
/// Largest payload. One has a few hundred bytes, and what annotations its signer adds.
pub(super) const PAYLOAD_MAX: u64 = 64 * 1024;
/// Longest signature, in base64: that of an RSA key of 8192 bits has 1368 characters.
const SIGNATURE_MAX: usize = 2048;
/// The layers that are payloads.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of such a layer.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// A signature, and the digest of what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) payload: Digest,
    pub(super) signature: Vec<u8>,
}

#[derive(Deserialize)]
struct List {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    annotations: Option<BTreeMap<String, String>>,
}

/// The signatures in a manifest of them, the newest first, as cosign adds new ones at the end.
/// Layers that are none are passed over. Otherwise what is there instead.
pub(super) fn read(manifest: &[u8]) -> Result<Vec<Signature>, String> {
    let list: List = serde_json::from_slice(manifest).map_err(|error| {
        let error = quoted(&error.to_string());
        format!("the signatures cannot be read: {error}")
    })?;
    let newest = list.layers.iter().rev();
    Ok(newest.filter_map(signature).take(SIGNATURES_MAX).collect())
}

fn signature(layer: &Layer) -> Option<Signature> {
    let text = layer.annotations.as_ref()?.get(SIGNATURE)?;
    let usable = layer.media_type == PAYLOAD && text.len() <= SIGNATURE_MAX;
    usable.then_some(())?;
    Some(Signature {
        payload: Digest::parse(&layer.digest)?,
        signature: STANDARD.decode(text).ok()?,
    })
}

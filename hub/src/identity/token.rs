//! Tokens as they are sent: JSON Web Signatures in their compact form (RFC 7515).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Claims, Keys, Lifetime, Refusal, Rules, keys::KEY_ID_MAX};

/// Longest token, in bytes. Those of Kubernetes have one or two KiB.
pub const TOKEN_MAX: usize = 8 * 1024;

/// A token that was read, and that nobody has verified.
#[derive(Debug)]
pub struct Token<'a> {
    /// What it says.
    pub claims: Claims,
    /// Which of its issuer's keys is said to have signed it.
    pub key_id: String,
    algorithm: String,
    /// What the signature is of.
    signed: &'a [u8],
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "alg")]
    algorithm: String,
    #[serde(rename = "kid")]
    key_id: Option<String>,
    /// Extensions that whoever does not understand them must refuse. We understand none.
    #[serde(rename = "crit")]
    critical: Option<serde::de::IgnoredAny>,
}

impl<'a> Token<'a> {
    /// Reads `header.claims.signature`.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > TOKEN_MAX {
            return Err(Refusal::Malformed("it is too long"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(PARTS)?;
        let (header, claims) = signed.split_once('.').ok_or(PARTS)?;
        if claims.contains('.') {
            return Err(PARTS);
        }
        let header: Header = read(header)?;
        if header.critical.is_some() {
            return Err(Refusal::Malformed("it has critical extensions"));
        }
        let key_id = header
            .key_id
            .filter(|id| id.len() <= KEY_ID_MAX)
            .ok_or(Refusal::Malformed("it names no key"))?;
        Ok(Self {
            claims: read(claims)?,
            key_id,
            algorithm: header.algorithm,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
        })
    }
}

const PARTS: Refusal = Refusal::Malformed("it has not three parts");

/// Verifies a token with the keys of its issuer, by the rules of its cluster, at `now`.
pub fn verify(
    token: &Token<'_>,
    keys: &Keys,
    rules: &Rules,
    now: Timestamp,
) -> Result<Lifetime, Refusal> {
    let mut why = Refusal::Key;
    for key in keys.of(&token.key_id) {
        if key.algorithm() != token.algorithm {
            why = Refusal::Algorithm;
        } else if key.signed(token.signed, &token.signature) {
            return token.claims.check(rules, now);
        } else {
            why = Refusal::Signature;
        }
    }
    Err(why)
}

fn decode(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Refusal::Malformed("it is not base64url"))
}

fn read<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    serde_json::from_slice(&decode(part)?)
        .map_err(|_| Refusal::Malformed("its header or claims are not those of a token"))
}

//! The public keys of an issuer: a JSON Web Key Set (RFC 7517).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// Most keys of a set. A cluster has one, and two while it changes them.
const KEYS_MAX: usize = 64;
/// Longest id of a key, in bytes. Kubernetes' have 43.
pub(super) const KEY_ID_MAX: usize = 256;

/// The keys of an issuer that the hub can verify with.
///
/// Each is good for one algorithm alone, which its kind decides: RS256, ES256 or ES384, as
/// Kubernetes signs. A token cannot choose another.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "JwkSet")]
pub struct Keys(Vec<Key>);

#[derive(Clone, PartialEq, Eq)]
struct Key {
    id: String,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ec(Curve, Vec<u8>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
}

/// A key set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It is no JSON Web Key Set.
    #[error("it is no JSON Web Key Set")]
    Form(#[source] serde_json::Error),
    /// There is no key that Kubernetes could have signed with.
    #[error("it has no key for RS256, ES256 or ES384 with an id")]
    Empty,
    /// There are too many.
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// A key as it is written. What it has besides does not matter.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a key set.
    pub fn parse(json: &[u8]) -> Result<Self, KeysError> {
        let set: JwkSet = serde_json::from_slice(json).map_err(KeysError::Form)?;
        set.try_into()
    }

    /// Whether there is a key of this id.
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    pub(super) fn of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = Verifier<'a>> {
        let keys = self.0.iter().filter(move |key| key.id == id);
        keys.map(|key| Verifier(&key.material))
    }
}

/// One key, to verify with.
pub(super) struct Verifier<'a>(&'a Material);

impl Verifier<'_> {
    /// The only algorithm that it is good for, as tokens name it (RFC 7518).
    pub fn algorithm(&self) -> &'static str {
        self.0.algorithm()
    }

    /// Whether it signed `message`.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self.0 {
            Material::Rsa { modulus, exponent } => RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Material::Ec(curve, point) => {
                UnparsedPublicKey::new(curve.algorithm(), point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

impl Material {
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RS256",
            Self::Ec(Curve::P256, _) => "ES256",
            Self::Ec(Curve::P384, _) => "ES384",
        }
    }
}

impl Curve {
    fn algorithm(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
        }
    }
}

impl TryFrom<JwkSet> for Keys {
    type Error = KeysError;

    /// Keys of other kinds are left out: whoever publishes them may use them elsewhere.
    fn try_from(set: JwkSet) -> Result<Self, KeysError> {
        if set.keys.len() > KEYS_MAX {
            return Err(KeysError::TooMany);
        }
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Jwk::read).collect();
        if keys.is_empty() {
            return Err(KeysError::Empty);
        }
        Ok(Self(keys))
    }
}

impl Jwk {
    fn read(self) -> Option<Key> {
        let id = self.kid.filter(|id| id.len() <= KEY_ID_MAX)?;
        let number = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
        let material = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Material::Rsa {
                modulus: number(self.n)?,
                exponent: number(self.e)?,
            },
            ("EC", Some("P-256")) => {
                Material::Ec(Curve::P256, point(&number(self.x)?, &number(self.y)?))
            }
            ("EC", Some("P-384")) => {
                Material::Ec(Curve::P384, point(&number(self.x)?, &number(self.y)?))
            }
            _ => return None,
        };
        let to_sign = self.usage.is_none_or(|usage| usage == "sig");
        let same = self.alg.is_none_or(|alg| alg == material.algorithm());
        (to_sign && same).then_some(Key { id, material })
    }
}

/// Uncompressed, as SEC 1 has it.
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.material.algorithm(), self.id)
    }
}

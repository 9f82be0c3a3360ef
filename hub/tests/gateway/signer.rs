//! Signs tokens as API servers do, and as attackers do.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};

/// An issuer's key.
pub struct Signer {
    id: String,
    key: Key,
}

enum Key {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    /// A new P-256 key: ES256.
    pub fn p256(id: &str) -> Self {
        Self::with(id, Key::P256(generated(&ECDSA_P256_SHA256_FIXED_SIGNING)))
    }

    /// A new P-384 key: ES384.
    pub fn p384(id: &str) -> Self {
        Self::with(id, Key::P384(generated(&ECDSA_P384_SHA384_FIXED_SIGNING)))
    }

    /// The P-256 key of a PEM file in PKCS #8.
    pub fn p256_of(id: &str, pem: &[u8]) -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
        let key = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der());
        Self::with(id, Key::P256(key))
    }

    /// The RSA key of a PEM file in PKCS #8: RS256.
    pub fn rsa_of(id: &str, pem: &[u8]) -> Self {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
        let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
        Self::with(id, Key::Rsa(key))
    }

    fn with(id: &str, key: Key) -> Self {
        let id = id.to_owned();
        Self { id, key }
    }

    pub fn algorithm(&self) -> &'static str {
        match self.key {
            Key::P256(_) => "ES256",
            Key::P384(_) => "ES384",
            Key::Rsa(_) => "RS256",
        }
    }

    /// The public key as bytes, with which nothing may be verified but what its own algorithm signed.
    pub fn public(&self) -> &[u8] {
        match &self.key {
            Key::P256(key) | Key::P384(key) => key.public_key().as_ref(),
            Key::Rsa(key) => key.public_key().as_ref(),
        }
    }

    /// The public key, as it is published.
    pub fn jwk(&self) -> Value {
        let mut jwk = json!({"kid": self.id, "alg": self.algorithm(), "use": "sig"});
        let (curve, point) = match &self.key {
            Key::P256(key) => ("P-256", key.public_key().as_ref()),
            Key::P384(key) => ("P-384", key.public_key().as_ref()),
            Key::Rsa(key) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public_key());
                jwk["kty"] = "RSA".into();
                jwk["n"] = encoded(&public.n).into();
                jwk["e"] = encoded(&public.e).into();
                return jwk;
            }
        };
        let (x, y) = point[1..].split_at((point.len() - 1) / 2);
        jwk["kty"] = "EC".into();
        jwk["crv"] = curve.into();
        jwk["x"] = encoded(x).into();
        jwk["y"] = encoded(y).into();
        jwk
    }

    /// A key set with this key alone.
    pub fn jwks(&self) -> String {
        json!({"keys": [self.jwk()]}).to_string()
    }

    /// A token.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "kid": self.id});
        self.sign(&header, claims)
    }

    /// A token with any header.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let random = SystemRandom::new();
        token(header, claims, |message| match &self.key {
            Key::P256(key) | Key::P384(key) => {
                key.sign(&random, message).unwrap().as_ref().to_vec()
            }
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        })
    }
}

/// A token whose signature is whatever `sign` makes of it.
pub fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| encoded(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = encoded(&sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn generated(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
    ecdsa(algorithm, document.as_ref())
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, pkcs8: &[u8]) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new()).unwrap()
}

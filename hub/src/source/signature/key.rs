//! The public keys that signatures are verified with.

use std::{io, path::PathBuf};

use rustls::pki_types::{
    SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, pem, pem::PemObject as _,
};
use sha2::{Digest as _, Sha256};
use webpki::RawPublicKeyEntity;

use crate::bounded;

/// Largest file with keys.
const FILE_MAX: u64 = 64 * 1024;
/// What cosign signs and verifies with, of which it makes the first by itself. Its Ed25519 and P-384
/// signatures are not among them, as it does not verify those either (2.6).
const ALGORITHMS: [&dyn SignatureVerificationAlgorithm; 2] = [
    webpki::ring::ECDSA_P256_SHA256,
    webpki::ring::RSA_PKCS1_2048_8192_SHA256,
];

/// Keys, any of which will do.
#[derive(Clone, Debug)]
pub(super) struct Keys(Vec<SubjectPublicKeyInfoDer<'static>>);

/// A file that holds no keys that can be used.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be used", file.display())]
pub(super) struct KeyFileError {
    file: PathBuf,
    #[source]
    cause: KeyError,
}

/// Why.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("cannot be read")]
    Io(#[from] io::Error),
    #[error("is not PEM")]
    Pem(#[from] pem::Error),
    #[error("has no PUBLIC KEY")]
    Empty,
    #[error("has a key that is neither ECDSA P-256 nor RSA")]
    Kind,
}

impl Keys {
    /// All keys of all files.
    pub(super) async fn read(files: &[PathBuf]) -> Result<Self, KeyFileError> {
        let mut keys = Vec::new();
        for file in files {
            let read = bounded::read(file, FILE_MAX).await.map_err(KeyError::Io);
            let parsed = read.and_then(|text| Self::parse(&text));
            let Self(more) = parsed.map_err(|cause| KeyFileError {
                file: file.clone(),
                cause,
            })?;
            keys.extend(more);
        }
        Ok(Self(keys))
    }

    /// All keys of a PEM file; what else is in it does not matter.
    pub(super) fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let keys: Result<Vec<_>, _> = SubjectPublicKeyInfoDer::pem_slice_iter(text).collect();
        let keys = keys?;
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        if !keys.iter().all(is_of_a_known_kind) {
            return Err(KeyError::Kind);
        }
        Ok(Self(keys))
    }

    /// Whether one of them made `signature` of `message`.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let by = |key| {
            let key = RawPublicKeyEntity::try_from(key).ok()?;
            let verified = |algorithm: &&dyn SignatureVerificationAlgorithm| {
                key.verify_signature(*algorithm, message, signature).is_ok()
            };
            ALGORITHMS.iter().any(verified).then_some(())
        };
        self.0.iter().any(|key| by(key).is_some())
    }

    /// What tells these keys from others.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for key in &self.0 {
            // Their encoding says how long it is: no two lists run into the same bytes.
            hasher.update(key);
        }
        hasher.finalize().into()
    }
}

/// Whether an algorithm would try it at all.
fn is_of_a_known_kind(key: &SubjectPublicKeyInfoDer<'_>) -> bool {
    let Ok(key) = RawPublicKeyEntity::try_from(key) else {
        return false;
    };
    ALGORITHMS.iter().any(|algorithm| {
        matches!(
            key.verify_signature(*algorithm, b"", b""),
            Ok(()) | Err(webpki::Error::InvalidSignatureForPublicKey)
        )
    })
}

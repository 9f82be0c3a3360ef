//! Receipts: the hub's signature under what it has done for a resource.
//!
//! A status may be forged by whoever may patch it, so only a receipt counts as done. It is
//! an HMAC over cluster, uid, generation, spec and [`Payload`], and lies in
//! `status.receipt`, so that a restarted hub repeats nothing. It answers for its own
//! resource and generation alone.

use std::{fs, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flyte_registration_crd::{Counts, Package, Reason};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::registrar::Activated;

/// Longest receipt that is looked at, in bytes.
const RECEIPT_MAX: usize = 8 * 1024;
const PREFIX: &str = "v1.";
const KEY_BYTES: usize = 32;
/// SHA-256's.
const BLOCK_BYTES: usize = 64;

/// What a receipt says was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    /// Name of the FlyteAdmin.
    pub flyte_admin: String,
    /// Its epoch: an operator changes it when FlyteAdmin lost its database.
    pub epoch: String,
    /// The package.
    pub package: Package,
    /// Entities by kind and fate.
    pub counts: Counts,
    /// The launch plans that were activated, as many as there is room for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub activations: Vec<Activated>,
    /// When the work began and ended, RFC 3339.
    pub started_at: String,
    /// See `started_at`.
    pub completed_at: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The reconcile request that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// `Order::fingerprint` of the terms that the package was checked by.
    #[serde(default)]
    pub terms: String,
    /// What stands against it since, as the last look found; `None` when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
    /// `canonical::status_hash` of the status that went with it, hexadecimal.
    pub status_hash: String,
}

/// What a look at something registered found, other than that all is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// In one word.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

impl Payload {
    /// What the resource shows.
    pub fn reason(&self) -> Reason {
        match &self.found {
            Some(found) if !self.look_failed() => found.reason,
            _ => Reason::Registered,
        }
    }

    /// The last look could not be made, which says nothing against what is registered.
    pub fn look_failed(&self) -> bool {
        self.found.as_ref().is_some_and(|found| {
            [
                Reason::PackageNotFound,
                Reason::SourceUnauthorized,
                Reason::SourceUnavailable,
                Reason::RateLimited,
                Reason::FlyteUnavailable,
                Reason::AuditUnavailable,
            ]
            .contains(&found.reason)
        })
    }
}

/// What a receipt is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The cluster, by its verified identity.
    pub cluster: &'a str,
    /// `metadata.uid`.
    pub uid: &'a str,
    /// `metadata.generation`.
    pub generation: i64,
    /// sha256 of the spec's canonical JSON.
    pub spec_sha256: &'a [u8; 32],
}

/// The hub's key. Never shown.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or written.
    #[error("cannot use the receipt key {path}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what the hub wrote.
    #[error(
        "the receipt key {path} is not {KEY_BYTES} bytes long; remove it to have a new one made"
    )]
    Damaged {
        /// The file.
        path: String,
    },
}

impl Key {
    /// The key of these bytes.
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        // HMAC fills short keys up with zeros; done here, nothing is left that can fail.
        let mut block = [0; BLOCK_BYTES];
        block[..KEY_BYTES].copy_from_slice(bytes);
        Self(Hmac::new(&block.into()))
    }

    /// The key in `path`; made there, readable by its owner only, when there is none yet.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Io {
            path: path.display().to_string(),
            source,
        };
        match fs::read(path) {
            Ok(bytes) => {
                let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| KeyError::Damaged {
                    path: path.display().to_string(),
                })?;
                Ok(Self::new(&bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes: [u8; KEY_BYTES] = rand::random();
                create(path, &bytes).map_err(failed)?;
                Ok(Self::new(&bytes))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The receipt that says `payload` of `subject`.
    pub fn issue(&self, subject: Subject<'_>, payload: &Payload) -> String {
        let payload = serde_json::to_vec(payload).unwrap_or_default();
        let tag = self.mac(subject, &payload).finalize().into_bytes();
        format!(
            "{PREFIX}{}.{}",
            URL_SAFE_NO_PAD.encode(payload),
            URL_SAFE_NO_PAD.encode(tag)
        )
    }

    /// What `receipt` says of `subject`; `None` unless this key issued it for just that.
    pub fn verify(&self, subject: Subject<'_>, receipt: &str) -> Option<Payload> {
        if receipt.len() > RECEIPT_MAX {
            return None;
        }
        let (payload, tag) = receipt.strip_prefix(PREFIX)?.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        self.mac(subject, &payload).verify_slice(&tag).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    fn mac(&self, subject: Subject<'_>, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let generation = subject.generation.to_be_bytes();
        let parts: [&[u8]; 6] = [
            b"flyte-registration-receipt/v1",
            subject.cluster.as_bytes(),
            subject.uid.as_bytes(),
            &generation,
            subject.spec_sha256,
            payload,
        ];
        for part in parts {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// Writes beside and renames, so that a crash leaves no half key.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let part = path.with_extension("key.part");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(part, path)
}

#[cfg(test)]
mod tests;

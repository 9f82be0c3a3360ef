//! Puts a package made by `pyflyte package` into an OCI registry.
//!
//! It becomes an image manifest with the artifact type [`ARTIFACT_TYPE`], the empty config, and
//! one layer: the archive as it is, titled with its file name. Nothing in it depends on the time,
//! so that the same package always has the same digest.

use std::{
    io,
    path::{Path, PathBuf},
};

use http::HeaderValue;
use oci_client::{Reference, errors::OciDistributionError, manifest::OCI_IMAGE_MEDIA_TYPE};

pub use crate::source::ARTIFACT_TYPE;
use crate::source::{ClientError, Digest, Failure, names::OciUri};

mod archive;
mod registry;

use archive::Archive;
use registry::Registry;

/// A config without content.
const EMPTY: &[u8] = b"{}";

/// How to reach the registry.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// User; anonymous without.
    pub username: Option<String>,
    /// File with the user's password or access token.
    pub password_file: Option<PathBuf>,
    /// PEM file with authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
}

/// What was pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// `oci://host/repository:tag@sha256:…`.
    pub reference: String,
    /// Digest of the manifest.
    pub digest: Digest,
}

/// A package cannot be pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The reference has the wrong form.
    #[error("{reference} {problem}")]
    Reference {
        /// The reference.
        reference: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The package cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        #[source]
        /// Why.
        cause: io::Error,
    },
    /// The package is something else.
    #[error("{0} is no gzipped archive, as `pyflyte package` makes them")]
    NotAnArchive(PathBuf),
    /// The client cannot be set up.
    #[error("the registry's client cannot be set up")]
    Client(#[from] ClientError),
    /// The registry lets nobody in, or cannot be reached.
    #[error(transparent)]
    Access(#[from] Failure),
    /// The registry does not take it.
    #[error("the registry does not take the package")]
    Registry(#[from] OciDistributionError),
}

/// Pushes the package at `path` to `reference` (`oci://host/repository:tag`).
pub async fn push(path: &Path, reference: &str, options: &Options) -> Result<Pushed, PushError> {
    let wrong = |problem| PushError::Reference {
        reference: reference.to_owned(),
        problem,
    };
    let uri: OciUri = reference.parse().map_err(wrong)?;
    let tag = match (&uri.tag, &uri.digest) {
        (Some(tag), None) => tag.clone(),
        (_, Some(_)) => return Err(wrong("must not name a digest: it is the outcome")),
        (None, None) => return Err(wrong("must name a tag")),
    };
    let archive = Archive::open(path)?;
    let manifest = archive.manifest().to_string().into_bytes();
    let digest = Digest::of(&manifest);
    let image = Reference::with_tag(uri.authority.clone(), uri.repository.clone(), tag);

    let registry = Registry::new(&uri.authority, options)?;
    let client = registry.client(&image).await?;
    archive.push(&client, &image).await?;
    let empty = Digest::of(EMPTY);
    if !client.blob_exists(&image, empty.as_str()).await? {
        client.push_blob(&image, EMPTY, empty.as_str()).await?;
    }
    // The archive may have taken longer than a token lives.
    let client = registry.client(&image).await?;
    client
        .push_manifest_raw(
            &image,
            manifest,
            HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE),
        )
        .await?;
    Ok(Pushed {
        reference: format!("{reference}@{digest}"),
        digest,
    })
}

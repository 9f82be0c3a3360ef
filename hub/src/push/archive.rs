//! The package, as a layer and its manifest.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    path::{Path, PathBuf},
};

use futures::TryStreamExt as _;
use oci_client::{
    Client, Reference,
    errors::OciDistributionError,
    manifest::{IMAGE_LAYER_GZIP_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE},
};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::{ARTIFACT_TYPE, EMPTY, PushError};
use crate::source::Digest;

/// Media type of a config without content (OCI image specification 1.1).
const EMPTY_MEDIA_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// A package on disk.
pub(super) struct Archive {
    path: PathBuf,
    title: String,
    digest: Digest,
    size: u64,
}

impl Archive {
    /// Reads it through, for its digest.
    pub(super) fn open(path: &Path) -> Result<Self, PushError> {
        let unreadable = |cause| PushError::Read {
            path: path.to_owned(),
            cause,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let mut magic = [0; 2];
        let is_gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
        let name = path.file_name().and_then(|name| name.to_str());
        let (true, Some(title)) = (is_gzip, name) else {
            return Err(PushError::NotAnArchive(path.to_owned()));
        };
        file.rewind().map_err(unreadable)?;
        let (digest, size) = Digest::of_reader(&mut file).map_err(unreadable)?;
        Ok(Self {
            path: path.to_owned(),
            title: title.to_owned(),
            digest,
            size,
        })
    }

    /// The manifest that names it.
    pub(super) fn manifest(&self) -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_MEDIA_TYPE,
            "artifactType": ARTIFACT_TYPE,
            "config": {
                "mediaType": EMPTY_MEDIA_TYPE,
                "digest": Digest::of(EMPTY).as_str(),
                "size": EMPTY.len(),
            },
            "layers": [{
                "mediaType": IMAGE_LAYER_GZIP_MEDIA_TYPE,
                "digest": self.digest.as_str(),
                "size": self.size,
                "annotations": { "org.opencontainers.image.title": self.title },
            }],
        })
    }

    /// Uploads the archive, unless the repository has it.
    pub(super) async fn push(&self, client: &Client, image: &Reference) -> Result<(), PushError> {
        if client.blob_exists(image, self.digest.as_str()).await? {
            return Ok(());
        }
        let unreadable = |cause| PushError::Read {
            path: self.path.clone(),
            cause,
        };
        let file = tokio::fs::File::open(&self.path)
            .await
            .map_err(unreadable)?;
        let bytes =
            ReaderStream::with_capacity(file, 256 * 1024).map_err(OciDistributionError::IoError);
        client
            .push_blob_stream(image, bytes, self.digest.as_str(), Some(self.size))
            .await?;
        Ok(())
    }
}

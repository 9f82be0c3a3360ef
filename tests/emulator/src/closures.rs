//! The blob store, where the closures of workflows are: the database's rows only say where.
//! Nothing keeps the two together, which is behind much of what goes wrong.

use flyte_registration_proto::flyteidl::core::ResourceType;
use serde::{Deserialize, Serialize};
use tonic::Code;

use crate::{
    error::{AdminError, Answer},
    golang::text,
    reference,
    storage::Storage,
    store::{Blob, Key, State},
};

/// The prefix of the places (`flyteadmin.metadataStoragePrefix`).
const PREFIX: &str = "metadata/admin";
/// The largest blob that is read from an S3, in bytes (`storage.limits.maxDownloadMBs`: 2).
const MAX_DOWNLOAD: usize = 2 << 20;

/// Where a blob is, as the rows tell it: `createDataReference` in `workflow_manager.go`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference(String);

impl Reference {
    /// Where the closure of this workflow goes.
    pub fn of(key: &Key, storage: Option<&Storage>) -> Answer<Self> {
        let keys = [PREFIX, &key.project, &key.domain, &key.name, &key.version];
        reference::construct(storage, &keys)
            .map(Self)
            .map_err(|why| {
                let id = key.identifier(ResourceType::Workflow);
                let text = format!(
                    "failed to construct data reference for workflow closure with id [{}] and err \
                 {why}",
                    text::identifier(Some(&id))
                );
                AdminError::new(Code::Internal, text)
            })
    }

    /// The blob's own name. On an S3 odd versions share one.
    fn name(&self, storage: Option<&Storage>) -> String {
        match storage {
            Some(_) => reference::key(&self.0),
            None => self.0.clone(),
        }
    }
}

impl State {
    /// Writes a closure over whatever is there.
    pub fn write_closure(&mut self, at: &Reference, storage: Option<&Storage>, closure: Vec<u8>) {
        self.blobs.insert(at.name(storage), Blob(closure));
    }

    /// Reads a closure, as `FetchAndGetWorkflowClosure` in `manager/impl/util/shared.go`.
    pub fn closure(&self, at: &Reference, storage: Option<&Storage>) -> Answer<&[u8]> {
        let why = match (self.blobs.get(&at.name(storage)), storage) {
            (Some(blob), Some(_)) if blob.0.len() > MAX_DOWNLOAD => {
                #[allow(clippy::cast_precision_loss)] // as the real server shows it
                let size = blob.0.len() as f64 / f64::from(1 << 20);
                format!(
                    "[LIMIT_EXCEEDED] limit exceeded. {size:.6}mb > {}mb. You can increase the \
                     limit by setting maxDownloadMBs.",
                    MAX_DOWNLOAD >> 20
                )
            }
            (Some(blob), _) => return Ok(&blob.0),
            (None, Some(_)) => "not found".to_owned(),
            (None, None) => "file does not exist".to_owned(),
        };
        let Reference(at) = at;
        let text = format!("Unable to read WorkflowClosure from location {at} : path:{at}: {why}");
        Err(AdminError::new(Code::Internal, text))
    }
}

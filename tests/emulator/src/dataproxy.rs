//! Upload locations, on a storage that cannot sign.

use flyte_registration_proto::flyteidl::service::{
    CreateUploadLocationRequest, CreateUploadLocationResponse,
};
use tonic::Code;

use crate::error::{AdminError, Answer};

/// The longest that a signed URL may live, in seconds.
const MAX_SECONDS: i64 = 3600;

/// `CreateUploadLocation` on the storage `mem`.
pub fn create_upload_location(
    request: &CreateUploadLocationRequest,
) -> Answer<CreateUploadLocationResponse> {
    if request.project.is_empty() || request.domain.is_empty() {
        return Err(AdminError::invalid(
            "project and domain are required parameters",
        ));
    }
    if request.content_md5.is_empty() && request.filename_root.is_empty() {
        let text = "content_md5 or filename_root is a required parameter";
        return Err(AdminError::invalid(text));
    }
    if let Some(span) = &request.expires_in
        && span.seconds > MAX_SECONDS
    {
        let (hours, minutes, seconds) = (
            span.seconds / 3600,
            span.seconds / 60 % 60,
            span.seconds % 60,
        );
        return Err(AdminError::invalid(format!(
            "expiresIn [{hours}h{minutes}m{seconds}s] cannot exceed max allowed expiration [1h0m0s]"
        )));
    }
    let text = "failed to create a signed url. Error: unsupported";
    Err(AdminError::new(Code::Internal, text))
}

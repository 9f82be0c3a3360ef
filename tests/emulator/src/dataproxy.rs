//! Upload locations.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flyte_registration_proto::flyteidl::service::{
    CreateUploadLocationRequest, CreateUploadLocationResponse,
};
use jiff::Timestamp;
use prost_types::Timestamp as ProtoTimestamp;
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::{
    error::{AdminError, Answer},
    reference,
    storage::Storage,
};

/// The longest that a signed URL may live, in seconds.
const MAX_SECONDS: i64 = 3600;
/// How many characters a made-up file name has.
const NAME_LENGTH: usize = 20;

/// `CreateUploadLocation`; without a storage as on `mem`, which cannot sign.
pub fn create_upload_location(
    request: &CreateUploadLocationRequest,
    storage: Option<&Storage>,
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
    let seconds = (request.expires_in.as_ref()).map_or(MAX_SECONDS, |span| span.seconds);
    if seconds > MAX_SECONDS {
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        return Err(AdminError::invalid(format!(
            "expiresIn [{hours}h{minutes}m{seconds}s] cannot exceed max allowed expiration [1h0m0s]"
        )));
    }
    let now = Timestamp::now();
    let place = place(request, storage, now)?;
    let unsigned = |why: &str| {
        let text = format!("failed to create a signed url. Error: {why}");
        Err(AdminError::new(Code::Internal, text))
    };
    let Some(storage) = storage else {
        return unsigned("unsupported");
    };
    if seconds <= 0 {
        return unsigned(
            "InvalidPresignExpireError: presigned URL requires an expire duration greater than 0",
        );
    }
    Ok(signed(request, storage, place, seconds, now))
}

fn signed(
    request: &CreateUploadLocationRequest,
    storage: &Storage,
    place: String,
    seconds: i64,
    now: Timestamp,
) -> CreateUploadLocationResponse {
    let md5 = BASE64_STANDARD.encode(&request.content_md5);
    // Both are told even when they are empty; the length is that of the text.
    let mut headers = HashMap::from([
        ("Content-Length".to_owned(), md5.len().to_string()),
        ("Content-MD5".to_owned(), md5.clone()),
    ]);
    let mut bound = Vec::new();
    if !md5.is_empty() {
        bound.push(("content-md5", md5.as_str()));
    }
    if request.add_content_md5_metadata {
        headers.insert("x-amz-meta-flyteContentMD5".to_owned(), md5.clone());
        bound.push(("x-amz-meta-flytecontentmd5", &md5));
    }
    let expires = now.as_second() + seconds;
    CreateUploadLocationResponse {
        signed_url: storage.presigned_put(&reference::key(&place), &bound, seconds, now),
        native_url: place,
        expires_at: Some(ProtoTimestamp {
            seconds: expires,
            nanos: now.subsec_nanosecond(),
        }),
        headers,
    }
}

/// Where it goes: `createStorageLocation` in `flyteadmin/dataproxy/service.go`, below an empty
/// prefix. A file name with `..` leaves the project, as it does in the real server.
fn place(
    request: &CreateUploadLocationRequest,
    storage: Option<&Storage>,
    now: Timestamp,
) -> Answer<String> {
    let folder = if request.filename_root.is_empty() {
        base32(&request.content_md5)
    } else {
        request.filename_root.clone()
    };
    let name = if request.filename.is_empty() {
        let hash = Sha256::digest(now.as_nanosecond().to_le_bytes());
        hex::encode(hash).chars().take(NAME_LENGTH).collect()
    } else {
        request.filename.clone()
    };
    let mut keys = vec![""];
    let parts = [
        &request.org,
        &request.project,
        &request.domain,
        &folder,
        &name,
    ];
    keys.extend(
        parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(String::as_str),
    );
    reference::construct(storage, &keys).map_err(|why| {
        let text = format!(
            "failed to create shardedStorageLocation, Error: failed to construct datastore \
             reference. Error: {why}"
        );
        AdminError::new(Code::Internal, text)
    })
}

/// RFC 4648, with padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::new();
    for group in bytes.chunks(5) {
        let mut bits = [0; 8];
        bits[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(bits);
        let count = (group.len() * 8).div_ceil(5);
        for place in 0..8 {
            if place < count {
                let index = bits >> (35 - 5 * place) & 31;
                out.push(char::from(ALPHABET[usize::try_from(index).unwrap_or(0)]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

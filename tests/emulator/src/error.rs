//! What a call fails with, and how it reaches the client.

use std::fmt::Write as _;

use http::HeaderMap;
use prost::Message as _;
use prost_types::Any;
use tonic::{Code, Status};

/// Messages are cut at this many bytes, and lose their details then
/// (`MaxResponseStatusBytes` in `flyteadmin/pkg/common/constants.go`).
const MAX_MESSAGE_BYTES: usize = 32_000;
/// Carries a message that ends within a character, which a `Status` cannot hold, to
/// [`with_cut_message`].
const CUT_MESSAGE: &str = "emulator-cut-message";
const MESSAGE: &str = "grpc-message";

/// A status in the making.
#[derive(Debug, Clone, PartialEq)]
pub struct AdminError {
    /// The gRPC code.
    pub code: Code,
    /// The text, however long.
    pub message: String,
    /// At most one detail, which is what the real server attaches.
    pub detail: Option<Any>,
}

/// The result of a call.
pub type Answer<T> = Result<T, AdminError>;

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

impl AdminError {
    /// An error of any code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            detail: None,
        }
    }

    /// `InvalidArgument` with this text.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// A required field is empty.
    pub fn missing(field: &str) -> Self {
        Self::invalid(format!("missing {field}"))
    }

    /// A field has no acceptable value.
    pub fn bad_value(field: &str) -> Self {
        Self::invalid(format!("invalid value for {field}"))
    }

    /// The same error with a detail of the message type `flyteidl.admin.<name>`.
    #[must_use]
    pub fn with_detail(mut self, name: &str, detail: &impl prost::Message) -> Self {
        self.detail = Some(Any {
            type_url: format!("type.googleapis.com/flyteidl.admin.{name}"),
            value: detail.encode_to_vec(),
        });
        self
    }

    /// As it goes over the wire.
    pub fn into_status(self) -> Status {
        self.cut_at(MAX_MESSAGE_BYTES)
    }

    /// The same with another limit, in bytes.
    pub fn cut_at(self, limit: usize) -> Status {
        if self.message.len() > limit {
            let cut = &self.message.as_bytes()[..limit];
            let mut status = Status::new(self.code, String::from_utf8_lossy(cut));
            if let Ok(value) = percent_encoded(cut).parse() {
                status.metadata_mut().insert(CUT_MESSAGE, value);
            }
            return status;
        }
        let Some(detail) = self.detail else {
            return Status::new(self.code, self.message);
        };
        let status = RpcStatus {
            code: self.code as i32,
            message: self.message.clone(),
            details: vec![detail],
        };
        Status::with_details(self.code, self.message, status.encode_to_vec().into())
    }
}

/// The headers of an answer, with the message of its status as it was cut.
pub fn with_cut_message(headers: &mut HeaderMap) {
    if let Some(message) = headers.remove(CUT_MESSAGE) {
        headers.insert(MESSAGE, message);
    }
}

/// As gRPC wants it in a header, of any bytes.
fn percent_encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if matches!(byte, b' '..=b'~') && *byte != b'%' {
            out.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

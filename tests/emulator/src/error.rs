//! What a call fails with, and how it reaches the client.

use prost::Message as _;
use prost_types::Any;
use tonic::{Code, Status};

/// Messages are cut at this many bytes, and lose their details then.
const MAX_MESSAGE_BYTES: usize = 32_000;

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

    /// As it goes over the wire. The real server cuts inside characters; a `Status`
    /// cannot hold half of one, so that what is left of it shows as U+FFFD.
    pub fn into_status(self) -> Status {
        if self.message.len() > MAX_MESSAGE_BYTES {
            let cut = &self.message.as_bytes()[..MAX_MESSAGE_BYTES];
            return Status::new(self.code, String::from_utf8_lossy(cut));
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

//! Sends recorded requests, byte for byte, and writes the answers down.

use std::{io::Read as _, net::SocketAddr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flate2::read::GzDecoder;
use flyte_registration_proto::flyteidl::descriptor_pool;
use flyte_registration_proto::raw::RawCodec;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Value, json};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    metadata::AsciiMetadataKey,
    transport::{Channel, Endpoint},
};

/// Long error texts arrive in headers.
const HEADER_BYTES: u32 = 16 << 20;

/// The answers to all steps of a recording, in order, in the form of its steps.
pub async fn all(recording: &Value, address: SocketAddr) -> Vec<Value> {
    let channel = channel(address).await;
    let mut answers = Vec::new();
    for step in recording["steps"].as_array().expect("steps") {
        answers.push(one(step, &channel, "").await);
    }
    answers
}

/// A connection with room for long error texts.
pub async fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let endpoint = endpoint.http2_max_header_list_size(HEADER_BYTES);
    endpoint.connect().await.expect("a connection")
}

/// The answer to one step, sent with `token` where the recording has one.
pub async fn one(step: &Value, channel: &Channel, token: &str) -> Value {
    let rpc = step["rpc"].as_str().expect("an rpc");
    let limit = usize::MAX;
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(limit);
    client.ready().await.expect("a connection");
    let path = rpc.parse().expect("a path");
    let mut request = Request::new(request(step));
    for (name, value) in step["metadata"].as_object().into_iter().flatten() {
        let value = value.as_str().expect("text").replace("<token>", token);
        let name = AsciiMetadataKey::from_bytes(name.as_bytes()).expect("a header");
        let value = value.parse().expect("a value");
        request.metadata_mut().insert(name, value);
    }
    let answer = client.unary(request, path, RawCodec).await;
    let (service, method) = rpc
        .trim_start_matches('/')
        .rsplit_once('/')
        .expect("a method");
    match answer {
        Ok(response) => json!({
            "name": step["name"],
            "code": "OK",
            "message": "",
            "details": [],
            "response": decoded(service, method, response.get_ref()),
        }),
        Err(status) => json!({
            "name": step["name"],
            "code": code_name(status.code()),
            "message": status.message(),
            "details": details(&status),
            "response": null,
        }),
    }
}

fn request(step: &Value) -> Bytes {
    if let Some(text) = step["request_b64"].as_str() {
        return BASE64_STANDARD.decode(text).expect("base64").into();
    }
    let packed = step["request_gzip_b64"].as_str().expect("a request");
    let packed = BASE64_STANDARD.decode(packed).expect("base64");
    let mut bytes = Vec::new();
    GzDecoder::new(packed.as_slice())
        .read_to_end(&mut bytes)
        .expect("gzip");
    bytes.into()
}

fn decoded(service: &str, method: &str, bytes: &[u8]) -> Value {
    let service = descriptor_pool().get_service_by_name(service);
    let method = service.and_then(|service| service.methods().find(|m| m.name() == method));
    match method {
        Some(method) => to_json(method.output(), bytes),
        // Health, whose answer has one field.
        None => match bytes {
            [8, 1] => json!({"status": "SERVING"}),
            other => json!(format!("{other:?}")),
        },
    }
}

fn to_json(descriptor: MessageDescriptor, bytes: &[u8]) -> Value {
    let message = DynamicMessage::decode(descriptor, bytes).expect("a message");
    let options = SerializeOptions::new().use_proto_field_name(true);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .expect("JSON")
}

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

fn details(status: &Status) -> Value {
    let status = RpcStatus::decode(status.details()).expect("a google.rpc.Status");
    let details = status.details.into_iter().map(|detail| {
        let name = detail.type_url.rsplit('/').next().unwrap_or_default();
        let kind = descriptor_pool()
            .get_message_by_name(name)
            .expect("a detail that we know");
        json!({"type_url": detail.type_url, "json": to_json(kind, &detail.value)})
    });
    details.collect()
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

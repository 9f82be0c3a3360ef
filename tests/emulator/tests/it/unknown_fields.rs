//! What a newer FlyteIDL has passes through.

use bytes::Bytes;
use flyte_registration_proto::{
    flyteidl::{admin::ObjectGetRequest, descriptor_pool},
    raw::RawCodec,
};
use flyteadmin_emulator::{Emulator, Options};
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};
use tonic::{Request, client::Grpc, transport::Endpoint};

use super::{
    messages::{create, id, workflow, workflow_id},
    start,
};

/// Fields that nobody knows, in the middle of templates that are stored and compiled.
#[tokio::test]
async fn unknown_fields_come_back() {
    const UNKNOWN: &[u8] = b"\xfa\xff\x03\x05later"; // field 8191, five bytes
    let (emulator, _client) = start(&Options::default()).await;
    let has_it = |answer: &[u8]| {
        answer
            .windows(UNKNOWN.len())
            .any(|window| window == UNKNOWN)
    };
    let ask = |id| ObjectGetRequest { id: Some(id) }.encode_to_vec();

    let task = with_unknown(
        "TaskCreateRequest",
        "TaskSpec",
        &create("a").encode_to_vec(),
        UNKNOWN,
    );
    raw(&emulator, "CreateTask", task).await;
    assert!(has_it(&raw(&emulator, "GetTask", ask(id("a"))).await));

    let workflow = workflow().encode_to_vec();
    let workflow = with_unknown("WorkflowCreateRequest", "WorkflowSpec", &workflow, UNKNOWN);
    raw(&emulator, "CreateWorkflow", workflow).await;
    let closure = raw(&emulator, "GetWorkflow", ask(workflow_id())).await;
    let count = closure
        .windows(UNKNOWN.len())
        .filter(|window| *window == UNKNOWN)
        .count();
    assert_eq!(count, 2, "of the workflow and of the task that it uses");
}

/// The request with bytes added to its `spec.template`.
fn with_unknown(request: &str, spec: &str, bytes: &[u8], unknown: &[u8]) -> Vec<u8> {
    let read = |name: &str, bytes: &[u8]| {
        let name = format!("flyteidl.admin.{name}");
        let descriptor = descriptor_pool().get_message_by_name(&name).unwrap();
        DynamicMessage::decode(descriptor, bytes).unwrap()
    };
    let mut request = read(request, bytes);
    let inner = request
        .get_field_by_name("spec")
        .unwrap()
        .as_message()
        .unwrap()
        .encode_to_vec();
    let mut inner = read(spec, &inner);
    let template = inner.get_field_by_name("template").unwrap().into_owned();
    let template = template.as_message().unwrap();
    let mut bytes = template.encode_to_vec();
    bytes.extend_from_slice(unknown);
    let template = DynamicMessage::decode(template.descriptor(), bytes.as_slice()).unwrap();
    inner.set_field_by_name("template", Value::Message(template));
    request.set_field_by_name("spec", Value::Message(inner));
    request.encode_to_vec()
}

async fn raw(emulator: &Emulator, method: &str, request: Vec<u8>) -> Bytes {
    let endpoint = Endpoint::from_shared(format!("http://{}", emulator.grpc)).unwrap();
    let mut client = Grpc::new(endpoint.connect().await.unwrap());
    client.ready().await.unwrap();
    let path = format!("/flyteidl.service.AdminService/{method}")
        .parse()
        .unwrap();
    let request = Request::new(Bytes::from(request));
    client
        .unary(request, path, RawCodec)
        .await
        .unwrap()
        .into_inner()
}

//! What tests ask of the emulator beside answers: counters, faults, latency, the
//! database pool, a state that outlives the process, and bytes that survive.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::time::Duration;

use bytes::Bytes;
use flyte_registration_proto::flyteidl::{
    admin::{ObjectGetRequest, ProjectListRequest, TaskCreateRequest, TaskSpec},
    core::{
        Container, Identifier, ResourceType, TaskMetadata, TaskTemplate, TypedInterface,
        task_template::Target,
    },
    descriptor_pool,
    service::admin_service_client::AdminServiceClient,
};
use flyteadmin_emulator::{
    Emulator, Options,
    codec::RawCodec,
    counters::Snapshot,
    faults::{Action, Rule},
};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::{
    Code, Request,
    client::Grpc,
    transport::{Channel, Endpoint},
};

const SHORT: Duration = Duration::from_millis(300);

async fn start(options: &Options) -> (Emulator, AdminServiceClient<Channel>) {
    let emulator = Emulator::start(options).await.expect("the emulator starts");
    let client = AdminServiceClient::connect(format!("http://{}", emulator.grpc));
    (emulator, client.await.expect("a connection"))
}

fn id(name: &str) -> Identifier {
    Identifier {
        resource_type: ResourceType::Task.into(),
        project: "flytesnacks".to_owned(),
        domain: "development".to_owned(),
        name: name.to_owned(),
        version: "v1".to_owned(),
        org: String::new(),
    }
}

fn create(name: &str) -> TaskCreateRequest {
    let container = Container {
        image: "image".to_owned(),
        args: vec!["run".to_owned()],
        ..Container::default()
    };
    let template = TaskTemplate {
        r#type: "python-task".to_owned(),
        metadata: Some(TaskMetadata::default()),
        interface: Some(TypedInterface::default()),
        target: Some(Target::Container(container)),
        ..TaskTemplate::default()
    };
    TaskCreateRequest {
        id: Some(id(name)),
        spec: Some(TaskSpec {
            template: Some(template),
            description: None,
        }),
    }
}

fn get(name: &str) -> ObjectGetRequest {
    ObjectGetRequest { id: Some(id(name)) }
}

fn rule(name: &str, action: Action) -> Vec<Rule> {
    vec![Rule {
        rpc: Some("CreateTask".to_owned()),
        project: None,
        domain: None,
        name: Some(name.to_owned()),
        version: None,
        action,
        count: Some(1),
    }]
}

async fn http(emulator: &Emulator, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(emulator.http).await.unwrap();
    let size = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: emulator\r\ncontent-type: application/json\r\n\
         content-length: {size}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

#[tokio::test]
async fn calls_are_counted_by_method_and_entity() {
    let (emulator, mut client) = start(&Options::default()).await;
    client.create_task(create("a")).await.unwrap();
    client.create_task(create("a")).await.unwrap_err();
    client.get_task(get("a")).await.unwrap();
    let counters = http(&emulator, "GET /counters", "").await;
    let counters: Snapshot = serde_json::from_str(&counters).unwrap();
    assert_eq!((counters.total, counters.in_flight), (3, 0));
    assert_eq!(counters.by_rpc["CreateTask"], 2);
    assert_eq!(counters.by_code["CreateTask AlreadyExists"], 1);
    let task = counters
        .by_entity
        .iter()
        .find(|counted| counted.call.rpc == "CreateTask")
        .unwrap();
    let call = &task.call;
    let entity = [&call.project, &call.domain, &call.name, &call.version];
    assert_eq!(entity, ["flytesnacks", "development", "a", "v1"]);
    assert_eq!(task.count, 2);
    let order: Vec<_> = emulator
        .counters()
        .log()
        .into_iter()
        .map(|call| call.call.rpc)
        .collect();
    assert_eq!(order, ["CreateTask", "CreateTask", "GetTask"]);
    http(&emulator, "POST /counters/reset", "").await;
    assert_eq!(emulator.counters().snapshot().total, 0);
}

#[tokio::test]
async fn a_failed_call_does_nothing_and_a_lost_answer_all() {
    let (emulator, mut client) = start(&Options::default()).await;
    let rules = r#"[{"rpc": "CreateTask", "name": "a", "count": 1,
                     "action": {"fail": {"code": 14, "message": "busy"}}}]"#;
    http(&emulator, "POST /faults", rules).await;
    let error = client.create_task(create("a")).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Unavailable, "busy"));
    assert_eq!(
        client.get_task(get("a")).await.unwrap_err().code(),
        Code::NotFound
    );

    emulator.faults().add(rule("b", Action::LostAnswer));
    let error = client.create_task(create("b")).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    client.get_task(get("b")).await.expect("the task is there");
    http(&emulator, "DELETE /faults", "").await;
    assert!(emulator.faults().rules().is_empty());
}

#[tokio::test]
async fn a_hanging_call_ends_with_its_caller() {
    let (emulator, mut client) = start(&Options::default()).await;
    emulator.faults().add(rule("a", Action::Hang));
    timeout(SHORT, client.create_task(create("a")))
        .await
        .unwrap_err();
    client
        .get_task(get("a"))
        .await
        .expect_err("nothing was created");
    timeout(SHORT * 10, async {
        while emulator.counters().snapshot().in_flight > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the call is over");
}

/// How many of so many creates at once are answered in time.
async fn burst(client: &AdminServiceClient<Channel>, size: usize, prefix: &str) -> usize {
    let calls: Vec<_> = (0..size)
        .map(|index| {
            let (mut client, request) = (client.clone(), create(&format!("{prefix}{index}")));
            tokio::spawn(async move { timeout(SHORT * 5, client.create_task(request)).await })
        })
        .collect();
    let mut done = 0;
    for call in calls {
        done += usize::from(call.await.unwrap().is_ok());
    }
    done
}

#[tokio::test]
async fn creates_that_reach_the_pool_lock_up_until_callers_give_up() {
    let options = Options {
        pool_limit: Some(4),
        latency_ms: 20,
        ..Options::default()
    };
    let (_emulator, client) = start(&options).await;
    assert_eq!(
        burst(&client, 3, "few").await,
        3,
        "below the limit all go through"
    );
    assert_eq!(burst(&client, 4, "many").await, 0, "at the limit none does");
    assert_eq!(
        burst(&client, 3, "later").await,
        3,
        "the connections are free again"
    );
}

#[tokio::test]
async fn the_state_outlives_the_process_and_can_be_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        state_file: Some(folder.path().join("state.json")),
        ..Options::default()
    };
    let (emulator, mut client) = start(&options).await;
    client.create_task(create("a")).await.unwrap();
    drop(emulator);
    let (emulator, mut client) = start(&options).await;
    let error = client.create_task(create("a")).await.unwrap_err();
    assert_eq!(
        error.message(),
        "task with identical structure already exists"
    );
    http(&emulator, "POST /wipe", "").await;
    client.create_task(create("a")).await.expect("as new");
    let projects = client
        .list_projects(ProjectListRequest::default())
        .await
        .unwrap();
    assert_eq!(projects.get_ref().projects.len(), 2, "seeded anew");
}

#[tokio::test]
async fn latency_is_added_to_every_call() {
    let (emulator, mut client) = start(&Options::default()).await;
    http(&emulator, "POST /latency", r#"{"ms": 60000}"#).await;
    timeout(SHORT, client.get_task(get("a")))
        .await
        .expect_err("it takes a minute");
    http(&emulator, "POST /latency", r#"{"ms": 0}"#).await;
    let answer = timeout(SHORT * 10, client.get_task(get("a")))
        .await
        .expect("it takes no time");
    assert_eq!(answer.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn addresses_are_written_once_they_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready.json");
    let options = Options {
        ready_file: Some(ready.clone()),
        ..Options::default()
    };
    let (emulator, _) = start(&options).await;
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(ready).unwrap()).unwrap();
    assert_eq!(written["grpc"], emulator.grpc.to_string());
    assert_eq!(written["http"], emulator.http.to_string());
}

/// A field that nobody knows, in the middle of a template.
#[tokio::test]
async fn unknown_fields_come_back() {
    const UNKNOWN: &[u8] = b"\xfa\xff\x03\x05later"; // field 8191, five bytes
    let (emulator, _client) = start(&Options::default()).await;
    let known = create("a");
    let template = known.spec.clone().unwrap().template.unwrap();
    let mut bytes = template.encode_to_vec();
    bytes.extend_from_slice(UNKNOWN);
    let message = |name: &str, bytes: &[u8]| {
        let descriptor = descriptor_pool().get_message_by_name(name).unwrap();
        DynamicMessage::decode(descriptor, bytes).unwrap()
    };
    let mut request = message("flyteidl.admin.TaskCreateRequest", &known.encode_to_vec());
    let mut spec = message("flyteidl.admin.TaskSpec", &[]);
    let template = message("flyteidl.core.TaskTemplate", &bytes);
    spec.set_field_by_name("template", Value::Message(template));
    request.set_field_by_name("spec", Value::Message(spec));
    raw(&emulator, "CreateTask", request.encode_to_vec()).await;
    let answer = raw(&emulator, "GetTask", get("a").encode_to_vec()).await;
    assert!(
        answer
            .windows(UNKNOWN.len())
            .any(|window| window == UNKNOWN)
    );
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

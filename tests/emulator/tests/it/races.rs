//! The races and dead ends of a real FlyteAdmin, on request.

use flyte_registration_proto::flyteidl::{
    admin::{DescriptionEntity, ObjectGetRequest, WorkflowCreateRequest},
    service::admin_service_client::AdminServiceClient,
};
use flyteadmin_emulator::{
    Emulator, Options,
    faults::{Action, Rule},
};
use http_body_util::BodyExt as _;
use prost::Message as _;
use tonic::{
    Code,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{Service as _, ServiceExt as _};

use super::{
    messages::{create, get, workflow, workflow_id},
    start,
};

struct Peer {
    emulator: Emulator,
    client: AdminServiceClient<Channel>,
}

impl Peer {
    /// With the task that the workflow needs.
    async fn start() -> Self {
        let (emulator, mut client) = start(&Options::default()).await;
        client.create_task(create("a")).await.unwrap();
        Self { emulator, client }
    }

    fn fault(&self, rpc: &str, action: Action) {
        let rule = Rule {
            rpc: Some(rpc.to_owned()),
            project: None,
            domain: None,
            name: None,
            version: None,
            action,
            count: Some(1),
        };
        self.emulator.faults().add(vec![rule]);
    }

    async fn create(&self, request: WorkflowCreateRequest) -> Result<(), (Code, String)> {
        let answer = self.client.clone().create_workflow(request).await;
        let error = |status: tonic::Status| (status.code(), status.message().to_owned());
        answer.map(|_| ()).map_err(error)
    }

    /// The nodes that would run, without those that the compiler adds.
    async fn nodes(&self) -> Result<usize, Code> {
        let request = ObjectGetRequest {
            id: Some(workflow_id()),
        };
        let answer = self.client.clone().get_workflow(request).await;
        let closure = answer.map_err(|status| status.code())?.into_inner().closure;
        let compiled = closure.unwrap().compiled_workflow.unwrap();
        Ok(compiled.primary.unwrap().template.unwrap().nodes.len() - 2)
    }
}

/// The workflow with so many nodes.
fn sized(nodes: usize) -> WorkflowCreateRequest {
    let mut request = workflow();
    let template = request.spec.as_mut().unwrap().template.as_mut().unwrap();
    let node = template.nodes[0].clone();
    template.nodes = (0..nodes)
        .map(|index| {
            let mut node = node.clone();
            node.id = format!("n{index}");
            node
        })
        .collect();
    request
}

fn described(mut request: WorkflowCreateRequest) -> WorkflowCreateRequest {
    request.spec.as_mut().unwrap().description = Some(DescriptionEntity::default());
    request
}

fn taken(index: &str) -> Result<(), (Code, String)> {
    let text = format!(
        "value with matching already exists (duplicate key value violates unique constraint \
         \"{index}\")"
    );
    Err((Code::AlreadyExists, text))
}

#[tokio::test]
async fn who_loses_a_race_leaves_the_closure_and_the_winner_the_row() {
    let peer = Peer::start().await;
    for _ in 0..2 {
        peer.fault("CreateWorkflow", Action::Raced);
    }
    let (one, two) = tokio::join!(peer.create(sized(1)), peer.create(sized(2)));
    let (won, lost) = if one.is_ok() { (1, 2) } else { (2, 1) };
    let loser = if one.is_ok() { two } else { one };
    assert_eq!(loser, taken("workflows_pkey"));
    assert_eq!(peer.nodes().await, Ok(lost));
    let (code, text) = peer.create(sized(won)).await.unwrap_err();
    assert_eq!(code, Code::AlreadyExists);
    assert_eq!(text, "workflow with identical structure already exists");
    assert_eq!(peer.nodes().await, Ok(lost));
}

#[tokio::test]
async fn what_does_not_overlap_does_not_race() {
    let peer = Peer::start().await;
    for _ in 0..2 {
        peer.fault("CreateWorkflow", Action::Raced);
    }
    assert_eq!(peer.create(sized(1)).await, Ok(()));
    let (code, _) = peer.create(sized(2)).await.unwrap_err();
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(peer.nodes().await, Ok(1));
}

#[tokio::test]
async fn a_leftover_description_is_in_the_way_of_descriptions_only() {
    let peer = Peer::start().await;
    peer.fault("CreateWorkflow", Action::HalfDone);
    let (code, _) = peer.create(described(sized(1))).await.unwrap_err();
    assert_eq!(code, Code::Unknown);
    for nodes in [1, 2] {
        let answer = peer.create(described(sized(nodes))).await;
        assert_eq!(answer, taken("description_entities_pkey"));
    }
    assert_eq!(peer.nodes().await, Err(Code::NotFound));
    assert_eq!(peer.create(sized(1)).await, Ok(()));
    assert_eq!(peer.nodes().await, Ok(1));
}

#[tokio::test]
async fn a_task_is_there_before_its_description() {
    let mut peer = Peer::start().await;
    peer.fault("CreateTask", Action::HalfDone);
    let mut request = create("b");
    request.spec.as_mut().unwrap().description = Some(DescriptionEntity::default());
    let answer = peer.client.create_task(request.clone()).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unknown);
    assert!(peer.client.get_task(get("b")).await.is_ok());
    let answer = peer.client.create_task(request).await.unwrap_err();
    assert_eq!(
        answer.message(),
        "task with identical structure already exists"
    );
}

#[tokio::test]
async fn a_lost_closure_is_never_mended() {
    let peer = Peer::start().await;
    assert_eq!(peer.create(sized(1)).await, Ok(()));
    peer.emulator.lose_closures().unwrap();
    assert_eq!(peer.nodes().await, Err(Code::Internal));
    let (code, _) = peer.create(sized(1)).await.unwrap_err();
    assert_eq!(code, Code::AlreadyExists);
    assert_eq!(peer.nodes().await, Err(Code::Internal));
}

/// As on the wire: percent-encoded, and not UTF-8 once decoded.
#[tokio::test]
async fn messages_are_cut_within_characters_and_lose_their_details() {
    let peer = Peer::start().await;
    let mut named = sized(1);
    named.id.as_mut().unwrap().name = "wö".to_owned();
    assert_eq!(peer.create(named.clone()).await, Ok(()));
    let endpoint = Endpoint::from_shared(format!("http://{}", peer.emulator.grpc)).unwrap();
    let mut channel = endpoint.connect().await.unwrap();
    let mut other = sized(2);
    other.id = named.id;
    let message = other.encode_to_vec();
    let mut ask = async || {
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        framed.extend(&message);
        let body = http_body_util::Full::new(bytes::Bytes::from(framed));
        let request = http::Request::post("/flyteidl.service.AdminService/CreateWorkflow")
            .header("content-type", "application/grpc")
            .body(Body::new(body.map_err(|never| match never {})))
            .unwrap();
        let ready = channel.ready().await.unwrap();
        ready.call(request).await.unwrap().into_parts().0.headers
    };
    let whole = ask().await;
    let text = whole["grpc-message"].to_str().unwrap();
    assert!(
        text.starts_with("w%C3%B6%20workflow%20with%20different%20structure"),
        "{text}"
    );
    assert!(whole.contains_key("grpc-status-details-bin"));

    peer.fault("CreateWorkflow", Action::Truncated(2));
    let cut = ask().await;
    assert_eq!(cut["grpc-status"], "3");
    assert_eq!(cut["grpc-message"], "w%C3");
    assert!(!cut.contains_key("grpc-status-details-bin"));
}

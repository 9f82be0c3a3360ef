//! What tests ask of the emulator beside answers: counters, faults, latency, the
//! database pool, and a state that outlives the process.

use std::time::Duration;

use flyte_registration_proto::flyteidl::{
    admin::{
        CronSchedule, LaunchPlanState, LaunchPlanUpdateRequest, ObjectGetRequest,
        ProjectListRequest, schedule::ScheduleExpression,
    },
    service::admin_service_client::AdminServiceClient,
};
use flyteadmin_emulator::{
    Emulator, Options,
    counters::Snapshot,
    faults::{Action, Rule},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::{Code, Status, transport::Channel};

use super::{
    messages::{create, get, plan, plan_id, workflow},
    start,
};

const SHORT: Duration = Duration::from_millis(300);

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
            tokio::spawn(async move { timeout(SHORT * 10, client.create_task(request)).await })
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
        latency_ms: 100,
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

#[tokio::test]
async fn a_failed_activation_silences_the_running_schedule() {
    let (emulator, client) = start(&Options::default()).await;
    client.clone().create_task(create("a")).await.unwrap();
    client.clone().create_workflow(workflow()).await.unwrap();
    let cron = ScheduleExpression::CronSchedule(CronSchedule {
        schedule: "0 2 * * *".to_owned(),
        offset: String::new(),
    });
    let deprecated = ScheduleExpression::CronExpression("0 2 * * *".to_owned());
    for (version, expression) in [("v1", cron), ("v2", deprecated)] {
        client
            .clone()
            .create_launch_plan(plan(version, expression))
            .await
            .unwrap();
    }
    activate(&client, "v1").await.unwrap();
    assert_eq!(schedules(&emulator).await, [("v1".to_owned(), true)]);
    assert_eq!(
        activate(&client, "v2").await.unwrap_err().code(),
        Code::Internal
    );
    assert_eq!(schedules(&emulator).await, [("v1".to_owned(), false)]);
    let plan = client
        .clone()
        .get_launch_plan(ObjectGetRequest {
            id: Some(plan_id("v1")),
        })
        .await;
    let closure = plan.unwrap().into_inner().closure.unwrap();
    assert_eq!(
        closure.state(),
        LaunchPlanState::Active,
        "though it never runs again"
    );
}

async fn activate(client: &AdminServiceClient<Channel>, version: &str) -> Result<(), Status> {
    let request = LaunchPlanUpdateRequest {
        id: Some(plan_id(version)),
        state: LaunchPlanState::Active.into(),
    };
    client.clone().update_launch_plan(request).await.map(|_| ())
}

/// Versions, and whether their schedules run.
async fn schedules(emulator: &Emulator) -> Vec<(String, bool)> {
    let rows = http(emulator, "GET /schedules", "").await;
    let rows: Vec<flyteadmin_emulator::http::Schedule> = serde_json::from_str(&rows).unwrap();
    rows.into_iter()
        .map(|row| (row.version, row.active))
        .collect()
}

//! The status writer against an API server.

use std::time::Duration;

use flyte_registration_agent::{
    link::{LinkState, Standing},
    metrics::{WriteLabels, WriteResult},
    status::{Resources, Wanted, Writer},
};
use flyte_registration_proto::hub::v1::Status;
use serde_json::{Value, json};

use crate::{
    apiserver::ApiServer,
    world::{Task, World, key, object, until},
};

fn start(world: &World, server: &ApiServer, unreachable_after: Duration) -> Task {
    let writer = Writer {
        resources: Resources::new(server.client(), "test".to_owned(), world.metrics.clone()),
        shared: world.shared.clone(),
        desk: world.desk.clone(),
        link: world.state.subscribe(),
        standing: world.standing.subscribe(),
        unreachable_after,
    };
    Task(tokio::spawn(async move { writer.run().await.unwrap() }))
}

/// A world, an API server, and a writer that has a session with the hub.
fn connected() -> (World, ApiServer, Task) {
    let (world, server) = (World::new(), ApiServer::default());
    world.state.send_replace(LinkState {
        up: true,
        ..LinkState::down()
    });
    let task = start(&world, &server, Duration::from_mins(1));
    (world, server, task)
}

fn want(world: &World, uid: &str, generation: i64, status: &Value) {
    let status = Status {
        key: None,
        uid: uid.to_owned(),
        generation,
        status_json: status.to_string().into(),
    };
    world.desk.want(key("a"), Wanted::read(&status).unwrap());
}

fn ready(reason: &str, status: &str, generation: i64) -> Value {
    json!({"conditions": [{
        "type": "Ready", "status": status, "reason": reason, "message": "m", "observedGeneration": generation,
    }]})
}

fn count(world: &World, result: WriteResult) -> u64 {
    world
        .metrics
        .status_writes
        .get_or_create(&WriteLabels { result })
        .get()
}

#[tokio::test]
async fn a_status_is_replaced_whole_in_the_object_that_was_decided_on() {
    let (world, server, _writer) = connected();
    let mut object = object("a", "u", 1, "5");
    object["status"] = json!({"leftover": true});
    server.put(&object);
    world.show(&object);
    want(&world, "u", 1, &ready("Registered", "True", 1));
    until("the status must be written", || {
        server.get("a")["status"] == ready("Registered", "True", 1)
    })
    .await;

    let (query, body) = server.status_writes().remove(0);
    assert!(
        query.contains("fieldManager=flyte-registration-agent"),
        "{query}"
    );
    assert_eq!(body["metadata"]["resourceVersion"], "5");
    until("it must be answered", || {
        count(&world, WriteResult::Written) == 1
    })
    .await;
    tokio::time::timeout(Duration::from_secs(5), world.desk.written())
        .await
        .unwrap();
    assert_eq!(world.desk.take_written()[0].1.uid, "u");

    until("there must be an Event", || !server.events().is_empty()).await;
    let event = server.events().remove(0);
    assert_eq!(
        (&event["reason"], &event["type"]),
        (&json!("Registered"), &json!("Normal"))
    );
    assert_eq!(event["regarding"]["uid"], "u");
}

#[tokio::test]
async fn after_a_conflict_it_is_decided_anew() {
    let (world, server, _writer) = connected();
    world.show(&object("a", "u", 1, "5"));
    server.put(&object("a", "u", 1, "6"));
    want(&world, "u", 1, &ready("Registered", "True", 1));
    until("there must be a conflict", || {
        count(&world, WriteResult::Conflict) == 1
    })
    .await;
    world.show(&object("a", "u", 1, "6"));
    until("the status must be written", || {
        server.get("a")["status"] == ready("Registered", "True", 1)
    })
    .await;
    assert_eq!(server.status_writes().len(), 2);
}

#[tokio::test]
async fn a_recreated_object_never_gets_the_old_ones_status() {
    let (world, server, _writer) = connected();
    world.show(&object("a", "old", 1, "5"));
    server.put(&object("a", "new", 1, "7"));
    want(&world, "old", 1, &ready("Registered", "True", 1));
    until("there must be a conflict", || {
        count(&world, WriteResult::Conflict) == 1
    })
    .await;
    world.show(&object("a", "new", 1, "7"));
    want(&world, "new", 1, &ready("Queued", "False", 1));
    until("the new one gets its own", || {
        server.get("a")["status"] == ready("Queued", "False", 1)
    })
    .await;
    let versions: Vec<Value> = server
        .status_writes()
        .into_iter()
        .map(|it| it.1["metadata"]["resourceVersion"].clone())
        .collect();
    assert_eq!(
        versions,
        ["5", "7"],
        "and the old one's was refused, and not tried again"
    );
}

#[tokio::test]
async fn a_failed_write_is_repeated() {
    let (world, server, _writer) = connected();
    server.put(&object("a", "u", 1, "5"));
    server.fail(2);
    world.show(&object("a", "u", 1, "5"));
    want(&world, "u", 1, &ready("Denied", "False", 1));
    until("the status must be written", || {
        server.get("a")["status"] == ready("Denied", "False", 1)
    })
    .await;
    assert_eq!(count(&world, WriteResult::Failed), 2);
    until("there must be an Event", || !server.events().is_empty()).await;
    assert_eq!(server.events()[0]["type"], "Warning");
}

#[tokio::test]
async fn while_the_hub_is_away_those_who_wait_are_told() {
    let (world, server) = (World::new(), ApiServer::default());
    let (mut waiting, mut done) = (object("a", "a", 2, "5"), object("b", "b", 1, "5"));
    waiting["status"] = json!({"observedGeneration": 1, "receipt": "r", "conditions": []});
    done["status"] = ready("Registered", "True", 1);
    for object in [&waiting, &done] {
        server.put(object);
        world.show(object);
    }
    let _writer = start(&world, &server, Duration::from_millis(50));
    let reason = |name: &str| server.get(name)["status"]["conditions"][0]["reason"].clone();
    until("the tenant must be told", || {
        reason("a") == "HubUnreachable"
    })
    .await;
    let status = server.get("a")["status"].clone();
    assert_eq!(
        (&status["observedGeneration"], &status["receipt"]),
        (&json!(1), &json!("r"))
    );
    assert_eq!(reason("b"), "Registered");
    assert_eq!(server.status_writes().len(), 1);

    // The watch shows what was written; then the hub is there, and does not let the agent in.
    let written = server.get("a");
    world.show(&written);
    world.standing.send_replace(Standing::Refused);
    let message = || server.get("a")["status"]["conditions"][0]["message"].to_string();
    until("the tenant must be told that, too", || {
        message().contains("does not let")
    })
    .await;
    assert_eq!(reason("a"), "HubUnreachable");
}

#[tokio::test]
async fn our_finalizer_goes_and_others_stay() {
    let (world, server, _writer) = connected();
    let mut object = object("a", "u", 2, "5");
    object["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
    object["metadata"]["finalizers"] = json!(["other/one", "flyte.backend/registration"]);
    server.put(&object);
    world.show(&object);
    until("ours must go", || {
        server.get("a")["metadata"]["finalizers"] == json!(["other/one"])
    })
    .await;
    assert!(server.status_writes().is_empty());
}

//! An API server, as far as the status writer goes: versions and uids are checked.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    routing::{get, patch, post},
};
use kube::Client;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// What happened at the API server.
#[derive(Clone, Default)]
pub struct ApiServer(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Value>,
    status_writes: Vec<(String, Value)>,
    events: Vec<Value>,
    failures: u32,
}

type Answer = Result<Json<Value>, (StatusCode, Json<Value>)>;

impl ApiServer {
    pub fn client(&self) -> Client {
        let objects = "/apis/flyte.backend/v1/namespaces/ns/flyteregistrations";
        let router = Router::new()
            .route(&format!("{objects}/{{name}}"), get(read).patch(merge))
            .route(&format!("{objects}/{{name}}/status"), patch(replace_status))
            .route("/apis/events.k8s.io/v1/namespaces/ns/events", post(event))
            .with_state(self.clone());
        Client::new(router, "default")
    }

    pub fn put(&self, object: &Value) {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        self.0.lock().objects.insert(name, object.clone());
    }

    pub fn get(&self, name: &str) -> Value {
        self.0.lock().objects[name].clone()
    }

    /// Query and body of every write of a status that was tried.
    pub fn status_writes(&self) -> Vec<(String, Value)> {
        self.0.lock().status_writes.clone()
    }

    pub fn events(&self) -> Vec<Value> {
        self.0.lock().events.clone()
    }

    /// The next writes fail.
    pub fn fail(&self, times: u32) {
        self.0.lock().failures = times;
    }
}

fn refusal(code: StatusCode) -> (StatusCode, Json<Value>) {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "message": "m", "reason": "r"});
    (code, Json(body))
}

/// What the version becomes with each write.
fn bump(object: &mut Value) {
    let version: u64 = object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    object["metadata"]["resourceVersion"] = (version + 1).to_string().into();
}

fn current<'a>(
    inner: &'a mut Inner,
    name: &str,
    body: &Value,
) -> Result<&'a mut Value, (StatusCode, Json<Value>)> {
    if inner.failures > 0 {
        inner.failures -= 1;
        return Err(refusal(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let object = inner
        .objects
        .get_mut(name)
        .ok_or_else(|| refusal(StatusCode::NOT_FOUND))?;
    for field in ["resourceVersion", "uid"] {
        let wanted = &body["metadata"][field];
        if !wanted.is_null() && *wanted != object["metadata"][field] {
            return Err(refusal(StatusCode::CONFLICT));
        }
    }
    Ok(object)
}

async fn read(State(server): State<ApiServer>, Path(name): Path<String>) -> Answer {
    let inner = server.0.lock();
    inner
        .objects
        .get(&name)
        .cloned()
        .map(Json)
        .ok_or_else(|| refusal(StatusCode::NOT_FOUND))
}

async fn replace_status(
    State(server): State<ApiServer>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    body: axum::body::Bytes,
) -> Answer {
    let operations: Value = serde_json::from_slice(&body).unwrap();
    let body = replacement(&operations);
    let mut inner = server.0.lock();
    inner
        .status_writes
        .push((query.unwrap_or_default(), body.clone()));
    let object = current(&mut inner, &name, &body)?;
    object["status"] = body["status"].clone();
    bump(object);
    Ok(Json(object.clone()))
}

/// What a JSON patch of the two operations that we send sets.
fn replacement(operations: &Value) -> Value {
    let set = |path: &str| {
        let operations = operations.as_array().unwrap().iter();
        let operation = operations
            .filter(|operation| operation["op"] == "add")
            .find(|operation| operation["path"] == path);
        operation.unwrap()["value"].clone()
    };
    json!({
        "metadata": {"resourceVersion": set("/metadata/resourceVersion")},
        "status": set("/status"),
    })
}

async fn merge(
    State(server): State<ApiServer>,
    Path(name): Path<String>,
    body: axum::body::Bytes,
) -> Answer {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let mut inner = server.0.lock();
    let object = current(&mut inner, &name, &body)?;
    object["metadata"]["finalizers"] = body["metadata"]["finalizers"].clone();
    bump(object);
    Ok(Json(object.clone()))
}

async fn event(State(server): State<ApiServer>, body: axum::body::Bytes) -> Answer {
    let event: Value = serde_json::from_slice(&body).unwrap();
    server.0.lock().events.push(event.clone());
    Ok(Json(event))
}

//! A webhook for audit events that can be made to fail.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{serve::Served, tls::Authority};

const TOKEN: &str = "token-of-the-webhook";
const BATCH: &str = "application/cloudevents-batch+json; charset=utf-8";

/// A server that takes events, over TLS.
pub struct Webhook {
    record: Arc<Record>,
    served: Served,
    ca_file: PathBuf,
    token_file: PathBuf,
}

#[derive(Default)]
struct Record {
    /// By id, how often each came, and the event.
    events: Mutex<BTreeMap<String, (usize, Value)>>,
    requests: AtomicUsize,
    faults: Mutex<Vec<Fault>>,
}

/// What becomes of a request. They take turns.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is taken.
    None,
    /// It is refused.
    Status(u16),
    /// It is taken, and the answer says that it is not.
    LostAnswer,
    /// It takes that long.
    Slow(Duration),
}

impl Webhook {
    /// Starts it, with its files in `dir`.
    pub async fn start(dir: &Path) -> Result<Self> {
        let authority = Authority::new("webhook CA")?;
        let ca_file = authority.write(dir)?;
        let files = authority.issue(dir, "webhook", &["webhook"])?;
        let token_file = dir.join("webhook-token");
        std::fs::write(&token_file, TOKEN)?;
        let record = Arc::<Record>::default();
        let routes = Router::new()
            .route("/audit", post(take))
            .with_state(Arc::clone(&record));
        Ok(Self {
            served: Served::start(routes, Some(&files)).await?,
            record,
            ca_file,
            token_file,
        })
    }

    /// The hub's configuration for it.
    pub fn config(&self) -> Value {
        json!({
            "url": format!("{}/audit", self.served.url()),
            "caFile": self.ca_file,
            "tokenFile": self.token_file,
            "timeout": "2s",
            "retryMax": "1s",
        })
    }

    /// What becomes of requests from now on, in turns.
    pub fn faults(&self, faults: &[Fault]) {
        *self.record.faults.lock() = faults.to_vec();
    }

    /// The events that it has taken, each once.
    pub fn events(&self) -> Vec<Value> {
        let events = self.record.events.lock();
        events.values().map(|(_, event)| event.clone()).collect()
    }
}

async fn take(
    State(record): State<Arc<Record>>,
    headers: HeaderMap,
    Json(batch): Json<Vec<Value>>,
) -> StatusCode {
    let is = |name, value: &str| headers.get(name).is_some_and(|header| header == value);
    if !is(header::AUTHORIZATION, &format!("Bearer {TOKEN}")) || !is(header::CONTENT_TYPE, BATCH) {
        return StatusCode::UNAUTHORIZED;
    }
    let turn = record.requests.fetch_add(1, Ordering::Relaxed);
    let fault = {
        let faults = record.faults.lock();
        let turn = turn.checked_rem(faults.len());
        turn.map_or(Fault::None, |turn| faults[turn])
    };
    match fault {
        Fault::Status(status) => {
            return StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        }
        Fault::Slow(time) => tokio::time::sleep(time).await,
        Fault::None | Fault::LostAnswer => {}
    }
    let mut events = record.events.lock();
    for event in batch {
        let id = event["id"].as_str().unwrap_or_default().to_owned();
        events.entry(id).or_insert((0, event)).0 += 1;
    }
    match fault {
        Fault::LostAnswer => StatusCode::BAD_GATEWAY,
        _ => StatusCode::NO_CONTENT,
    }
}

//! What tests ask of the emulator itself, over HTTP.
//!
//! | call | what |
//! | --- | --- |
//! | `GET /counters` | [`counters::Snapshot`] |
//! | `POST /counters/reset` | counts from zero |
//! | `GET /log` | the calls in their order ([`counters::Logged`]) |
//! | `GET /faults`, `POST /faults`, `DELETE /faults` | a list of [`faults::Rule`](crate::faults::Rule); POST adds |
//! | `POST /latency` | `{"ms": 20}`: added to every call |
//! | `GET /schedules` | the rows of the scheduler's table ([`Schedule`]): what would really run |
//! | `POST /expired-urls` | `{"count": 2}`: the next URLs for uploads have expired already |
//! | `POST /lose-closures` | as if the blob store had been emptied: workflows are there, but not what runs |
//! | `POST /wipe` | as if the database had been reset; the counters stay |
//!
//! With authentication there is also what the real server has on its HTTP port.

mod oauth;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use crate::{counters, faults::Rule, grpc::Shared};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    ms: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpiredUrls {
    count: u64,
}

/// A launch plan that was activated with a schedule. `FlyteAdmin` shows this nowhere:
/// a plan may be active while its schedule is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Project.
    pub project: String,
    /// Domain.
    pub domain: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// The scheduler runs it.
    pub active: bool,
}

type Front = State<Arc<Shared>>;

/// The routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let oauth = shared
        .authority
        .clone()
        .map(|authority| oauth::router(Arc::clone(&shared), authority));
    Router::new()
        .route("/counters", get(read_counters))
        .route("/counters/reset", post(reset_counters))
        .route("/log", get(read_log))
        .route(
            "/faults",
            get(read_faults).post(add_faults).delete(clear_faults),
        )
        .route("/latency", post(set_latency))
        .route("/schedules", get(read_schedules))
        .route("/expired-urls", post(expire_urls))
        .route("/lose-closures", post(lose_closures))
        .route("/wipe", post(wipe))
        .with_state(shared)
        .merge(oauth.unwrap_or_default())
}

async fn read_counters(State(shared): Front) -> Json<counters::Snapshot> {
    Json(shared.counters.snapshot())
}

async fn reset_counters(State(shared): Front) {
    shared.counters.reset();
}

async fn read_log(State(shared): Front) -> Json<Vec<counters::Logged>> {
    Json(shared.counters.log())
}

async fn read_faults(State(shared): Front) -> Json<Vec<Rule>> {
    Json(shared.faults.rules())
}

async fn add_faults(State(shared): Front, Json(rules): Json<Vec<Rule>>) {
    shared.faults.add(rules);
}

async fn clear_faults(State(shared): Front) {
    shared.faults.clear();
}

async fn set_latency(State(shared): Front, Json(latency): Json<Latency>) {
    *shared.latency.write() = Duration::from_millis(latency.ms);
}

async fn read_schedules(State(shared): Front) -> Json<Vec<Schedule>> {
    Json(shared.admin.read(|state| {
        let rows = state.launch_plans.rows().filter_map(|row| {
            let key = row.key.clone();
            Some(Schedule {
                project: key.project,
                domain: key.domain,
                name: key.name,
                version: key.version,
                active: row.body.schedule_active?,
            })
        });
        rows.collect()
    }))
}

async fn expire_urls(State(shared): Front, Json(urls): Json<ExpiredUrls>) -> StatusCode {
    match &shared.admin.settings.storage {
        Some(storage) => {
            *storage.expired.lock() = urls.count;
            StatusCode::OK
        }
        None => StatusCode::NOT_FOUND,
    }
}

async fn lose_closures(State(shared): Front) -> Result<(), (StatusCode, String)> {
    let lost = shared.admin.lose_closures();
    lost.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.message))
}

async fn wipe(State(shared): Front) -> Result<(), (StatusCode, String)> {
    let wiped = shared.admin.wipe();
    wiped.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.message))
}

//! The read-only API: what the platform team sees of clusters, registrations and history.
//! `docs/api.md` describes it. It is never open: without a token or an authority there is none.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Extension, Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;
use tokio::{sync::watch, time::timeout};
use tracing::warn;

mod access;
mod config;
mod paging;
mod query;
mod server;
pub mod types;

pub use config::ApiConfig;
pub use server::serve;

use crate::{
    audit::Audit,
    fleet::{FleetHandle, ObjectId, view},
    identity::Identities,
};
use access::Access;
use paging::Limit;
use query::{BadQuery, HistoryQuery, RegistrationsQuery};
use server::Certified;
use types::{Cluster, List, Problem, Registration};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
struct Shared {
    fleet: FleetHandle,
    audit: Audit,
    known: watch::Receiver<Arc<Identities>>,
    access: Arc<Access>,
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/api/v1/clusters", get(clusters))
        .route("/api/v1/registrations", get(registrations))
        .route("/api/v1/history", get(history))
        .fallback(nothing)
        .method_not_allowed_fallback(read_only)
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// Lets in who may read, and lets no answer take too long.
async fn guard(
    State(shared): State<Shared>,
    Extension(certified): Extension<Certified>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.to_str().ok());
    if !certified.0 && !shared.access.lets_in(shown) {
        let problem = Problem::new(
            "unauthorized",
            "show a bearer token or a client certificate that may read",
        );
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge, Json(problem)).into_response();
    }
    match timeout(ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => failed(
            StatusCode::SERVICE_UNAVAILABLE,
            "timeout",
            "it takes too long; ask for less",
        ),
    }
}

async fn clusters(State(shared): State<Shared>) -> Json<List<Cluster>> {
    let mut names = shared.fleet.with(|fleet, _| fleet.cluster_names());
    names.extend(shared.known.borrow().names().cloned());
    names.sort();
    names.dedup();
    // One at a time, so that the index is not held up.
    let clusters = names.iter().map(|name| {
        let seen = shared.fleet.with(|fleet, _| fleet.cluster(name));
        seen.map_or_else(|| Cluster::never_seen(name), Cluster::from)
    });
    Json(List {
        items: clusters.collect(),
        next: None,
    })
}

async fn registrations(
    State(shared): State<Shared>,
    uri: Uri,
) -> Result<Json<List<Registration>>, BadQuery> {
    let RegistrationsQuery {
        wanted,
        limit,
        after,
    } = RegistrationsQuery::read(&uri)?;
    let mut items = Vec::new();
    let mut after: Option<ObjectId> = after;
    loop {
        let missing = limit.get() - items.len();
        let look = |after: Option<&ObjectId>| {
            shared
                .fleet
                .with(|fleet, _| fleet.registrations(&wanted, after, missing))
        };
        let view::Page { items: found, next } = look(after.as_ref());
        items.extend(found.into_iter().map(Registration::from));
        after = next;
        if after.is_none() || items.len() == limit.get() {
            break;
        }
        // Others have their turn before the next look.
        tokio::task::yield_now().await;
    }
    let next = after.as_ref().map(paging::after);
    Ok(Json(List { items, next }))
}

async fn history(State(shared): State<Shared>, uri: Uri) -> Result<Response, BadQuery> {
    let HistoryQuery {
        filter,
        limit,
        below,
    } = HistoryQuery::read(&uri)?;
    let limit = u32::try_from(limit.get()).unwrap_or(Limit::MAX_U32);
    let page = match shared.audit.store().history(&filter, below, limit).await {
        Ok(page) => page,
        Err(error) => {
            warn!(
                error = &error as &dyn std::error::Error,
                "the history cannot be read"
            );
            let problem = failed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "store",
                "the history cannot be read",
            );
            return Ok(problem);
        }
    };
    let items = page
        .events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok());
    let list = List {
        items: items.collect(),
        next: page.next.map(paging::below),
    };
    Ok(Json(list).into_response())
}

async fn nothing() -> Response {
    failed(StatusCode::NOT_FOUND, "notFound", "there is no such path")
}

async fn read_only() -> Response {
    failed(
        StatusCode::METHOD_NOT_ALLOWED,
        "readOnly",
        "there is only GET",
    )
}

fn failed(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(Problem::new(code, message))).into_response()
}

impl IntoResponse for BadQuery {
    fn into_response(self) -> Response {
        failed(StatusCode::BAD_REQUEST, "badRequest", &self.to_string())
    }
}

#[cfg(test)]
mod tests;

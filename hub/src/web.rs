//! Health and metrics over HTTP.

pub mod api;

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{fleet::FleetHandle, metrics::Metrics};

#[derive(Clone, Debug)]
struct Shared {
    fleet: FleetHandle,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

/// Serves `/healthz`, `/readyz` and `/metrics` until `stop`.
pub async fn serve(
    listener: TcpListener,
    fleet: FleetHandle,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Shared {
            fleet,
            metrics,
            stop: stop.clone(),
        });
    axum::serve(listener, app)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// Alive means that the index answers. A task that the hub cannot live without ends the
/// process by itself.
async fn healthz(State(shared): State<Shared>) -> &'static str {
    shared.fleet.with(|_, _| ());
    "ok\n"
}

/// Ready means that agents may come: not while draining.
async fn readyz(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.stop.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn scrape(
    State(shared): State<Shared>,
) -> Result<([(&'static str, &'static str); 1], String), StatusCode> {
    let text = shared
        .metrics
        .encode()
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok((
        [(
            "content-type",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    ))
}

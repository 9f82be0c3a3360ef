//! `/healthz`, `/readyz` and `/metrics`.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{health::Health, link::Standing, metrics::Metrics};

/// What the endpoints show.
#[derive(Clone, Debug)]
pub struct Shown {
    /// For `/healthz`: whether the tasks make progress.
    pub health: Health,
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/readyz`: whether everything has been listed.
    pub listed: watch::Receiver<bool>,
    /// Whether this process holds the Lease.
    pub leading: watch::Receiver<bool>,
    /// What the hub said last of it.
    pub standing: watch::Receiver<Standing>,
}

/// Serves them on `address` until `stop`.
pub async fn serve(
    address: SocketAddr,
    shown: Shown,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "health and metrics are served");
    axum::serve(listener, router(shown))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(shown))
}

async fn healthz(State(shown): State<Arc<Shown>>) -> Response {
    let stuck = shown.health.stuck(Instant::now());
    if stuck.is_empty() {
        "ok\n".into_response()
    } else {
        unavailable(&format!("stuck: {}\n", stuck.join(", ")))
    }
}

/// A standby is as ready as it can be once it has listed everything. Who leads and was welcomed
/// stays ready while the hub is out of reach, and not when the hub does not let it in any more.
async fn readyz(State(shown): State<Arc<Shown>>) -> Response {
    if !*shown.listed.borrow() {
        return unavailable("the first list is not complete\n");
    }
    match *shown.standing.borrow() {
        Standing::Unknown if *shown.leading.borrow() => {
            unavailable("the hub has not welcomed this agent yet\n")
        }
        Standing::Refused if *shown.leading.borrow() => {
            unavailable("the hub does not let this agent in: its log says why\n")
        }
        Standing::Unknown | Standing::Refused | Standing::Welcome => "ok\n".into_response(),
    }
}

async fn metrics(State(shown): State<Arc<Shown>>) -> Response {
    match shown.metrics.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn unavailable(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, why.to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt as _;

    use super::*;

    struct World {
        shown: Shown,
        listed: watch::Sender<bool>,
        leading: watch::Sender<bool>,
        standing: watch::Sender<Standing>,
    }

    fn world() -> World {
        let [listed, leading] = [(); 2].map(|()| watch::Sender::new(false));
        let standing = watch::Sender::new(Standing::Unknown);
        let shown = Shown {
            health: Health::default(),
            metrics: Metrics::default(),
            listed: listed.subscribe(),
            leading: leading.subscribe(),
            standing: standing.subscribe(),
        };
        World {
            shown,
            listed,
            leading,
            standing,
        }
    }

    async fn status(world: &World, path: &str) -> u16 {
        let request = Request::get(path).body(Body::empty()).unwrap();
        router(world.shown.clone())
            .oneshot(request)
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    #[tokio::test]
    async fn ready_is_who_has_listed_and_if_leading_is_welcome() {
        let world = world();
        assert_eq!(status(&world, "/readyz").await, 503);
        world.listed.send_replace(true);
        assert_eq!(status(&world, "/readyz").await, 200);
        world.leading.send_replace(true);
        assert_eq!(status(&world, "/readyz").await, 503);
        for (standing, expected) in [(Standing::Welcome, 200), (Standing::Refused, 503)] {
            world.standing.send_replace(standing);
            assert_eq!(status(&world, "/readyz").await, expected);
        }
        world.leading.send_replace(false);
        assert_eq!(status(&world, "/readyz").await, 200, "a standby");
    }

    #[tokio::test]
    async fn health_does_not_ask_for_the_hub() {
        let world = world();
        let _beat = world.shown.health.task("watch");
        assert_eq!(status(&world, "/healthz").await, 200);
        assert_eq!(status(&world, "/metrics").await, 200);
        assert_eq!(status(&world, "/").await, 404);
    }
}

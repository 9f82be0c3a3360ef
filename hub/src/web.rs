//! Health and metrics over HTTP.

pub mod api;
mod connections;

use std::sync::Arc;

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{fleet::FleetHandle, metrics::Metrics};

#[derive(Clone, Debug)]
struct Shared {
    fleet: FleetHandle,
    metrics: Arc<Metrics>,
    drain: CancellationToken,
}

/// Serves `/healthz`, `/readyz` and `/metrics` until `stop`. It is not ready any more from `drain` on.
pub async fn serve(
    listener: TcpListener,
    fleet: FleetHandle,
    metrics: Arc<Metrics>,
    (drain, stop): (CancellationToken, CancellationToken),
) {
    let app = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(Shared {
            fleet,
            metrics,
            drain,
        });
    let talk = |stream| connections::answer(stream, app.clone());
    connections::serve(listener, stop, talk).await;
}

/// Alive means that the index answers. A task that the hub cannot live without ends the
/// process by itself.
async fn healthz(State(shared): State<Shared>) -> &'static str {
    shared.fleet.with(|_, _| ());
    "ok\n"
}

/// Ready means that agents may come: not while draining.
async fn readyz(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.drain.is_cancelled() {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        time::timeout,
    };

    use super::*;
    use crate::{
        config::Config,
        fleet::{Fleet, Policy, Settings},
        receipt,
    };

    /// What is answered to a GET of `path`, over a connection of its own.
    async fn get(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn strangers_that_keep_connections_do_not_keep_probes_out() {
        let policy = Policy::new(&Config::default(), receipt::Key::new(&[1; 32]));
        let settings = Settings {
            retry_initial: Duration::from_secs(1),
            retry_max: Duration::from_secs(1),
            max_objects: 1,
            places: 1,
        };
        let fleet = FleetHandle::new(Fleet::new(policy, settings));
        let metrics = Arc::new(Metrics::new(fleet.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        let ends = (drain.clone(), stop.clone());
        let served = tokio::spawn(serve(listener, fleet, metrics, ends));
        let mut strangers = Vec::new();
        for _ in 0..200 {
            let mut stranger = TcpStream::connect(address).await.unwrap();
            stranger
                .write_all(b"GET /healthz HTTP/1.1\r\n")
                .await
                .unwrap();
            strangers.push(stranger);
        }
        // Sooner than any of them has used its time up.
        for path in ["/healthz", "/readyz", "/metrics"] {
            let answer = timeout(Duration::from_secs(5), get(address, path)).await;
            let answer = answer.expect("they keep it out");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        let mut first = Vec::new();
        let closed = timeout(Duration::from_secs(5), strangers[0].read_to_end(&mut first));
        assert!(closed.await.is_ok(), "the first of them is still there");
        drain.cancel();
        let answer = get(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        stop.cancel();
        served.await.unwrap();
    }
}

//! Connections of the API: few, and none for long.

use std::{io, sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;

use super::{
    Access, ApiConfig, Shared, routes,
    tls::{Tls, TlsError},
};
use crate::{audit::Audit, fleet::FleetHandle, identity::Identities};

/// Connections at a time, those of strangers included.
const CONNECTIONS: usize = 64;
/// How long a handshake may take, and the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes: a token of 4 KiB, a query, and what clients add.
const HEAD_MAX: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// How long a connection may last: long enough for many requests, too short to be kept.
const CONNECTION: Duration = Duration::from_mins(5);
/// How long to wait when the process has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether the client showed a certificate of an authority that may read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certified(pub bool);

/// Serves the API on `listener` until `stop`. `known` are the clusters of the configuration.
pub async fn serve(
    listener: TcpListener,
    config: &ApiConfig,
    fleet: FleetHandle,
    audit: Audit,
    known: watch::Receiver<Arc<Identities>>,
    stop: CancellationToken,
) -> Result<(), TlsError> {
    let tls = Tls::new(config)?.map(Arc::new);
    let routes = routes(Shared {
        fleet,
        audit,
        known,
        access: Arc::new(Access::new(config.token_file.clone())),
    });
    let (places, connections) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    let accept = async {
        loop {
            // Never closed.
            let place = Arc::clone(&places).acquire_owned().await;
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let (tls, routes) = (tls.clone(), routes.clone());
            connections.spawn(async move {
                let talk = timeout(CONNECTION, talk(stream, tls, routes));
                if let Ok(Err(error)) = talk.await {
                    debug!(%error, "a connection of the API failed");
                }
                drop(place);
            });
        }
    };
    stop.run_until_cancelled(accept).await;
    Ok(())
}

async fn talk(stream: TcpStream, tls: Option<Arc<Tls>>, routes: Router) -> io::Result<()> {
    let Some(tls) = tls else {
        return answer(stream, routes, Certified(false)).await;
    };
    let acceptor = TlsAcceptor::from(tls.present());
    let stream = timeout(PATIENCE, acceptor.accept(stream)).await??;
    // Whoever showed one that is not of the authorities did not come this far.
    let certified = stream.get_ref().1.peer_certificates().is_some();
    answer(stream, routes, Certified(certified)).await
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    certified: Certified,
) -> io::Result<()> {
    let service = TowerToHyperService::new(routes.layer(Extension(certified)));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

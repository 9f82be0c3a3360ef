//! Connections of HTTP/1: few, none for long, and no large requests. Where there are more, the one that was
//! opened first is closed: a request needs moments, and whoever keeps places taken gives them up to it.

use std::{collections::VecDeque, io, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Connections at a time, those of strangers included.
const CONNECTIONS: usize = 64;
/// How long a handshake may take, and the head of a request.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes: a token of 4 KiB, a query, and what clients add.
const HEAD_MAX: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// How long a connection may last: long enough for many requests, too short to be kept.
const CONNECTION: Duration = Duration::from_mins(5);
/// How long to wait when the process has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Has `talk` on each connection to `listener`, until `stop`. Those that are open then are closed.
pub(super) async fn serve<F>(
    listener: TcpListener,
    stop: CancellationToken,
    talk: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let accept = async {
        let mut talks = JoinSet::new();
        let mut open = VecDeque::<AbortHandle>::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            while talks.try_join_next().is_some() {}
            open.retain(|talk| !talk.is_finished());
            if open.len() >= CONNECTIONS
                && let Some(first) = open.pop_front()
            {
                first.abort();
            }
            let talk = timeout(CONNECTION, talk(stream));
            open.push_back(talks.spawn(async {
                if let Ok(Err(error)) = talk.await {
                    debug!(%error, "a connection failed");
                }
            }));
        }
    };
    stop.run_until_cancelled(accept).await;
}

/// Answers the requests of one connection.
pub(super) async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
) -> io::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await
        .map_err(io::Error::other)
}

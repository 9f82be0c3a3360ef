//! One connection to any address of FlyteAdmin.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use parking_lot::{Mutex, RwLock};
use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use tonic::transport::Uri;
use tower::{BoxError, Service};

use super::{tls::Tls, turns::order};
use crate::registrar::admin::causes;

/// How long connecting to all addresses together may take. Shorter than a call, so that the
/// call tells why it failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one of them has in any case.
const ADDRESS_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// How long a connection is silent before the system probes it.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);

/// No address can be connected to.
#[derive(Debug, Error)]
#[error("{0}")]
struct DialError(String);

/// Connects to one address, or else to the next one that lives: a dead one fails no call.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    /// The address that it is for.
    pub(super) address: SocketAddr,
    /// All that there are now.
    pub(super) addresses: Arc<RwLock<Vec<SocketAddr>>>,
    /// Since when it is connected to another one.
    pub(super) strayed: Arc<Mutex<Option<Instant>>>,
    /// `None`: plaintext.
    pub(super) tls: Option<Arc<Tls>>,
}

type Stream = Either<TcpStream, TlsStream<TcpStream>>;

impl Service<Uri> for Dialer {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { Ok(TokioIo::new(dialer.dial().await?)) })
    }
}

impl Dialer {
    async fn dial(&self) -> Result<Stream, DialError> {
        let addresses = order(&self.addresses.read(), self.address);
        let count = u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let patience = (CONNECT_TIMEOUT / count).max(ADDRESS_TIMEOUT_MIN);
        let mut failures = Vec::new();
        for address in addresses {
            let connected = tokio::time::timeout(patience, self.connect(address)).await;
            match connected.unwrap_or_else(|_| Err("no answer in time".into())) {
                Ok(stream) => {
                    let strayed = (address != self.address).then(Instant::now);
                    *self.strayed.lock() = strayed;
                    return Ok(stream);
                }
                Err(error) => {
                    let why = causes(&*error);
                    tracing::debug!(%address, why, "cannot connect to FlyteAdmin");
                    failures.push(format!("{address}: {why}"));
                }
            }
        }
        Err(DialError(failures.join(", ")))
    }

    async fn connect(&self, address: SocketAddr) -> Result<Stream, BoxError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE))?;
        let Some(tls) = &self.tls else {
            return Ok(Either::Left(stream));
        };
        let stream = tls.connector()?.connect(tls.name.clone(), stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err("it does not speak HTTP/2".into());
        }
        Ok(Either::Right(stream))
    }
}

//! Accepts connections of agents, and of strangers, within bounds.
//!
//! A connection has `session.helloTimeout` for TLS, as much until it calls and is known, and as much
//! for its Hello. Until then it is in the lobby, where there is little room.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tracing::{debug, warn};

use super::{Authentication, tls::Tls};
use crate::{audit::Audit, config, identity::Refusal, metrics::Metrics};

mod connection;
mod guest;
mod lobby;

pub use connection::{Connection, Peer};

use connection::Io;
use guest::{Guest, Hall};
use lobby::Lobby;

/// Accepted connections that wait for the server to take them.
const WAITING: usize = 64;
const KEEPALIVE: Duration = Duration::from_secs(20);
/// How long to wait when none can be accepted: there are no more file descriptors, as a rule.
const PAUSE: Duration = Duration::from_millis(100);

/// Where agents connect.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    entrance: Arc<Entrance>,
}

/// What every connection goes through.
#[derive(Debug)]
struct Entrance {
    tls: Option<Arc<Tls>>,
    hall: Arc<Hall>,
    patience: Duration,
    metrics: Arc<Metrics>,
    audit: Audit,
}

impl Listener {
    /// Accepts at `tcp`: with `tls`, or in plaintext.
    pub fn new(
        tcp: TcpListener,
        tls: Option<Arc<Tls>>,
        settings: &config::Session,
        metrics: Arc<Metrics>,
        audit: Audit,
    ) -> Self {
        let lobby = Lobby::new(settings.max_handshakes, settings.max_handshakes_per_address);
        let entrance = Entrance {
            tls,
            hall: Arc::new(Hall::new(lobby)),
            patience: settings.hello_timeout,
            metrics,
            audit,
        };
        Self {
            tcp,
            entrance: Arc::new(entrance),
        }
    }

    /// The connections, ready to be served, until the stream is dropped.
    pub fn incoming(self) -> impl Stream<Item = io::Result<Connection>> {
        let (ready, connections) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            tokio::select! {
                () = ready.closed() => {}
                () = self.accept(&ready) => {}
            }
        });
        ReceiverStream::new(connections)
    }

    async fn accept(&self, ready: &mpsc::Sender<io::Result<Connection>>) {
        loop {
            let (stream, address) = match self.tcp.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let (entrance, ready) = (Arc::clone(&self.entrance), ready.clone());
            // It ends with the connection's time, at the latest.
            tokio::spawn(async move {
                if let Some(connection) = entrance.enter(stream, address).await {
                    let _ = ready.send(Ok(connection)).await;
                }
            });
        }
    }
}

impl Entrance {
    async fn enter(&self, stream: TcpStream, address: SocketAddr) -> Option<Connection> {
        let guest = Guest::enter(&self.hall, address.ip());
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return Some(self.served(Io::Plain(stream), address, guest));
        };
        let accepting = TlsAcceptor::from(tls.server()).accept(stream);
        let accepted = tokio::select! {
            accepted = timeout(self.patience, accepting) => accepted,
            () = guest.evicted.cancelled() => {
                self.metrics.session_refused("crowded");
                return None;
            }
        };
        match accepted {
            Ok(Ok(stream)) => Some(self.served(Io::Tls(Box::new(stream)), address, guest)),
            Ok(Err(error)) => {
                self.failed(&error, address).await;
                None
            }
            Err(_) => {
                self.metrics.session_refused("late");
                None
            }
        }
    }

    fn served(&self, io: Io, address: SocketAddr, guest: Arc<Guest>) -> Connection {
        Connection::new(io, address, guest, self.patience * 2)
    }

    /// A bad certificate is an authentication that failed; all else may be anybody's noise.
    async fn failed(&self, error: &io::Error, address: SocketAddr) {
        let cause = error
            .get_ref()
            .and_then(|it| it.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(why)) = cause {
            let why = Refusal::CertificateUntrusted(why.to_string());
            let refused = Authentication::Refused {
                why: &why,
                claimed: None,
            };
            refused
                .tell(Some(address), &self.metrics, &self.audit)
                .await;
        } else {
            self.metrics.session_refused("tls");
            debug!(peer = %address, %error, "no TLS");
        }
    }
}

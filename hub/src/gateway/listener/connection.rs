//! A connection whose time is bounded until it has a session.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use super::guest::Guest;

/// A connection of an agent, or of a stranger.
pub struct Connection {
    io: Io,
    peer: Peer,
    patience: Duration,
    /// When it is given up, if it has no session by then.
    deadline: Pin<Box<Sleep>>,
    evicted: Pin<Box<WaitForCancellationFutureOwned>>,
}

pub(super) enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where it is.
    pub address: SocketAddr,
    /// Its certificate with what it came with, which TLS has verified.
    pub certificates: Option<Arc<Vec<CertificateDer<'static>>>>,
    pub(in crate::gateway) guest: Arc<Guest>,
}

impl Connection {
    pub(super) fn new(io: Io, address: SocketAddr, guest: Arc<Guest>, patience: Duration) -> Self {
        let certificates = match &io {
            Io::Plain(_) => None,
            Io::Tls(stream) => stream.get_ref().1.peer_certificates(),
        };
        let evicted = guest.evicted.clone().cancelled_owned();
        Self {
            peer: Peer {
                address,
                certificates: certificates.map(|all| Arc::new(all.to_vec())),
                guest,
            },
            io,
            patience,
            deadline: Box::pin(sleep(patience)),
            evicted: Box::pin(evicted),
        }
    }

    /// An error when its time is up.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let guest = &self.peer.guest;
        if guest.has_session() {
            if self.deadline.is_elapsed() {
                self.deadline.as_mut().reset(Instant::now() + self.patience);
            }
        } else if self.evicted.as_mut().poll(context).is_ready() {
            return Err(io::Error::other("its place is wanted by another"));
        }
        let late = self.deadline.as_mut().poll(context).is_ready();
        if late && !guest.has_session() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if late {
            self.deadline.as_mut().reset(Instant::now() + self.patience);
            // Asks to be woken at the new time.
            let _ = self.deadline.as_mut().poll(context);
        }
        Ok(())
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(context),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

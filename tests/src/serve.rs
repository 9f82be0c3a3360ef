//! Small HTTP servers of our own, where no real peer does what a test needs. They run in this process.

use std::{io, net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use axum::{Router, serve::Listener};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::tls::Files;

/// A server on a free loopback port, which ends when this is dropped.
pub struct Served {
    host: String,
    scheme: &'static str,
    task: JoinHandle<io::Result<()>>,
}

impl Served {
    /// Serves `routes`, over TLS with `certificate` if there is one.
    pub async fn start(routes: Router, certificate: Option<&Files>) -> Result<Self> {
        let tcp = TcpListener::bind("127.0.0.1:0").await?;
        let host = tcp.local_addr()?.to_string();
        let serve = match certificate {
            None => tokio::spawn(axum::serve(tcp, routes).into_future()),
            Some(files) => {
                let acceptor = TlsAcceptor::from(Arc::new(tls(files)?));
                tokio::spawn(axum::serve(Tls { tcp, acceptor }, routes).into_future())
            }
        };
        Ok(Self {
            host,
            scheme: if certificate.is_some() {
                "https"
            } else {
                "http"
            },
            task: serve,
        })
    }

    /// `host:port`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn tls(files: &Files) -> Result<ServerConfig> {
    // The first call of the process installs it, later ones find it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&files.certificate)?.collect();
    let key = PrivateKeyDer::from_pem_file(&files.key).context("read the key")?;
    Ok(ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain?, key)?)
}

struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.tcp).await;
            // Who does not trust us hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

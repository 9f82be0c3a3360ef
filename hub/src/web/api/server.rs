//! The API's connections: in plaintext on loopback, or with TLS.

use std::{io, sync::Arc};

use axum::{Extension, Router};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{Access, ApiConfig, Shared, routes};
use crate::{
    audit::Audit,
    config,
    fleet::FleetHandle,
    identity::Identities,
    tls::{Port, ServerTls, TlsError},
    web::connections::{self, PATIENCE, answer},
};

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
    let tls = config.tls.as_ref().map(|files| tls(files, config));
    let tls = tls.transpose()?.map(Arc::new);
    let routes = routes(Shared {
        fleet,
        audit,
        known,
        access: Arc::new(Access::new(config.token_file.clone())),
    });
    let talk = |stream| talk(stream, tls.clone(), routes.clone());
    connections::serve(listener, stop, talk).await;
    Ok(())
}

fn tls(files: &config::Tls, config: &ApiConfig) -> Result<ServerTls, TlsError> {
    ServerTls::load(Port {
        name: "the certificates of the API",
        files: config::Tls {
            client_ca_file: config.client_ca_file.clone(),
            ..files.clone()
        },
        // They may show a token instead, if there is one.
        optional: config.token_file.is_some(),
        protocol: "http/1.1",
    })
}

async fn talk(stream: TcpStream, tls: Option<Arc<ServerTls>>, routes: Router) -> io::Result<()> {
    let certified = |certified| routes.layer(Extension(Certified(certified)));
    let Some(tls) = tls else {
        return answer(stream, certified(false)).await;
    };
    let acceptor = TlsAcceptor::from(tls.server());
    let stream = timeout(PATIENCE, acceptor.accept(stream)).await??;
    // Whoever showed one that is not of the authorities did not come this far.
    let shown = stream.get_ref().1.peer_certificates().is_some();
    answer(stream, certified(shown)).await
}

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

use super::{
    Access, ApiConfig, Shared, routes,
    tls::{Tls, TlsError},
};
use crate::{
    audit::Audit,
    fleet::FleetHandle,
    identity::Identities,
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
    let tls = Tls::new(config)?.map(Arc::new);
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

async fn talk(stream: TcpStream, tls: Option<Arc<Tls>>, routes: Router) -> io::Result<()> {
    let certified = |certified| routes.layer(Extension(Certified(certified)));
    let Some(tls) = tls else {
        return answer(stream, certified(false)).await;
    };
    let acceptor = TlsAcceptor::from(tls.present());
    let stream = timeout(PATIENCE, acceptor.accept(stream)).await??;
    // Whoever showed one that is not of the authorities did not come this far.
    let shown = stream.get_ref().1.peer_certificates().is_some();
    answer(stream, certified(shown)).await
}

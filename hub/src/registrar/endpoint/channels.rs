//! Calls to all addresses of FlyteAdmin in turns.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use http::{Request, Response};
use parking_lot::{Mutex, RwLock};
use tonic::{
    Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::{BoxError, Service, ServiceExt as _};

use super::{
    dial::Dialer,
    tls::Tls,
    turns::{Connection, Turns},
};

/// How long resolving the name may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

type Resolved = BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
/// Finds the addresses of a host and port.
type Resolve = Box<dyn Fn(String, u16) -> Resolved + Send + Sync>;

/// A channel to each address that the name of FlyteAdmin has; each call takes the next one.
/// The name is resolved every now and then, as FlyteAdmins come and go.
#[derive(Clone)]
pub(in crate::registrar) struct Channels(Arc<Shared>);

struct Shared {
    host: String,
    port: u16,
    endpoint: Endpoint,
    tls: Option<Arc<Tls>>,
    resolve: Resolve,
    /// Of all slots, for those that have to go elsewhere.
    addresses: Arc<RwLock<Vec<SocketAddr>>>,
    turns: Mutex<Turns<Slot>>,
    /// Those that wait for the first addresses ask once.
    first: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Slot {
    channel: Channel,
    strayed: Arc<Mutex<Option<Instant>>>,
}

impl Connection for Slot {
    fn strayed(&self) -> Option<Instant> {
        *self.strayed.lock()
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channels")
            .field("host", &self.0.host)
            .field("port", &self.0.port)
            .finish_non_exhaustive()
    }
}

impl Channels {
    pub(super) fn new(host: String, port: u16, endpoint: Endpoint, tls: Option<Arc<Tls>>) -> Self {
        let system = |host: String, port| -> Resolved {
            Box::pin(async move {
                // IPv6 addresses stand in brackets in URIs only.
                let host = host.trim_start_matches('[').trim_end_matches(']');
                Ok(tokio::net::lookup_host((host, port)).await?.collect())
            })
        };
        Self::resolved_by(Box::new(system), host, port, endpoint, tls)
    }

    fn resolved_by(
        resolve: Resolve,
        host: String,
        port: u16,
        endpoint: Endpoint,
        tls: Option<Arc<Tls>>,
    ) -> Self {
        Self(Arc::new(Shared {
            host,
            port,
            endpoint,
            tls,
            resolve,
            addresses: Arc::default(),
            turns: Mutex::default(),
            first: tokio::sync::Mutex::default(),
        }))
    }
}

impl Shared {
    async fn channel(self: &Arc<Self>) -> Result<Channel, Status> {
        let (slot, due) = {
            let mut turns = self.turns.lock();
            let slot = turns.next();
            let due = slot.is_some() && turns.is_due(Instant::now());
            (slot, due)
        };
        if due {
            // No call waits for it, and it ends by itself.
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(status) = shared.look().await {
                    tracing::warn!("{}; the addresses of before are used", status.message());
                }
            });
        }
        if let Some(slot) = slot {
            return Ok(slot.channel);
        }
        let _first = self.first.lock().await;
        if let Some(slot) = self.turns.lock().next() {
            return Ok(slot.channel);
        }
        self.look().await?;
        let slot = self.turns.lock().next();
        slot.map(|slot| slot.channel)
            .ok_or_else(|| Status::unavailable(format!("{} has no address", self.host)))
    }

    async fn look(&self) -> Result<(), Status> {
        let host = &self.host;
        let resolve = (self.resolve)(host.clone(), self.port);
        let resolved = match tokio::time::timeout(RESOLVE_TIMEOUT, resolve).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err("there is none".to_owned()),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let addresses = resolved.map_err(|why| {
            Status::unavailable(format!("the address of {host} cannot be found: {why}"))
        })?;
        let mut turns = self.turns.lock();
        let used = turns.resolved(addresses, Instant::now(), |address| self.slot(address));
        *self.addresses.write() = used;
        Ok(())
    }

    fn slot(&self, address: SocketAddr) -> Slot {
        let dialer = Dialer {
            address,
            addresses: Arc::clone(&self.addresses),
            strayed: Arc::default(),
            tls: self.tls.clone(),
        };
        Slot {
            strayed: Arc::clone(&dialer.strayed),
            channel: self.endpoint.connect_with_connector_lazy(dialer),
        }
    }
}

impl Service<Request<Body>> for Channels {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Which channel must be ready is known once there is a call.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let channel = shared.channel().await?;
            let answer = channel.oneshot(request).await;
            if answer.is_err() {
                shared.turns.lock().failed();
            }
            Ok(answer?)
        })
    }
}

#[cfg(test)]
mod tests;

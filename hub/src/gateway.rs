//! Where agents connect: identity, handshake, and one session each.

use std::{pin::Pin, sync::Arc, time::Duration};

use flyte_registration_proto::hub::v1::{
    AgentMessage, HubMessage,
    registration_hub_server::{RegistrationHub, RegistrationHubServer},
};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap, transport::Server};

use crate::{
    audit::Audit,
    config,
    fleet::FleetHandle,
    identity::{Identities, Presented},
    metrics::Metrics,
};

mod authentication;
mod door;
mod listener;
mod pace;
mod pins;
mod places;
mod session;
mod tenure;
mod tls;
mod wire;

pub use authentication::Authentication;
pub use listener::{Connection, Listener, Peer};
pub use pins::Pins;
pub use tls::Tls;

use door::Door;
use places::Places;

/// Largest message of the stream, in bytes.
pub const MESSAGE_MAX: usize = 4 * 1024 * 1024;
/// Longest headers of a call, in bytes: a token and what goes with it.
const HEADERS_MAX: u32 = 16 * 1024;
/// Calls of one connection at a time: an agent has one, and two while it connects anew.
const CALLS_MAX: u32 = 16;
/// Streams that were taken back before they were accepted: more of them close the connection.
const RESETS_MAX: usize = 16;
/// Between two pings of HTTP/2, and for the answer to one.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Messages that may wait for a slow agent. The rest waits in the index, newest only.
const OUTGOING: usize = 16;

/// HTTP/2 as it is spoken with agents, and strangers.
pub fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_concurrent_streams(Some(CALLS_MAX))
        .http2_max_header_list_size(Some(HEADERS_MAX))
        .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
}

/// The service.
#[derive(Debug)]
pub struct Gateway {
    fleet: FleetHandle,
    door: Door,
    pins: Pins,
    settings: config::Session,
    places: Arc<Places>,
    metrics: Arc<Metrics>,
    audit: Audit,
    sessions: TaskTracker,
    drain: CancellationToken,
}

impl Gateway {
    /// A gateway to `fleet` for those that `identities` knows; when they change, open sessions are
    /// looked at again. `tls` is that of its [`Listener`]. Its sessions are asked to end when `drain`
    /// is cancelled, and are tracked by `sessions`.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of the hub of its own"
    )]
    pub fn new(
        fleet: FleetHandle,
        (identities, tls): (watch::Receiver<Arc<Identities>>, Option<Arc<Tls>>),
        pins: Pins,
        settings: config::Session,
        metrics: Arc<Metrics>,
        audit: Audit,
        sessions: TaskTracker,
        drain: CancellationToken,
    ) -> Self {
        let places = Places::new(settings.max_sessions, settings.max_sessions_per_cluster);
        Self {
            fleet,
            door: Door::new(identities, tls, settings.max_age),
            pins,
            settings,
            places: Arc::new(places),
            metrics,
            audit,
            sessions,
            drain,
        }
    }

    /// As a service of tonic, with its limits.
    pub fn into_service(self) -> RegistrationHubServer<Self> {
        RegistrationHubServer::new(self)
            .max_decoding_message_size(MESSAGE_MAX)
            .max_encoding_message_size(MESSAGE_MAX)
    }
}

#[tonic::async_trait]
impl RegistrationHub for Gateway {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<HubMessage, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let Some(peer) = request.extensions().get::<Peer>().cloned() else {
            return Err(Status::internal("the connection is unknown"));
        };
        let presented = Presented {
            token: token(request.metadata()),
            certificates: peer.certificates.clone(),
        };
        let door = self.door.clone();
        let authenticated = door.authenticate(&presented).await;
        Authentication::of(&authenticated)
            .tell(Some(peer.address), &self.metrics, &self.audit)
            .await;
        // One text for all causes: a stranger learns nothing.
        let identity = authenticated.map_err(|_| {
            Status::unauthenticated("the hub knows no cluster by what this agent shows")
        })?;
        let place = self.places.take(&identity.cluster).ok_or_else(|| {
            Status::resource_exhausted("the hub has as many sessions as it may have")
        })?;
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let session = session::Session {
            identity,
            presented,
            peer,
            place,
            door,
            pins: self.pins.clone(),
            fleet: self.fleet.clone(),
            settings: self.settings.clone(),
            metrics: Arc::clone(&self.metrics),
            audit: self.audit.clone(),
            outgoing,
            drain: self.drain.clone(),
        };
        let incoming = request.into_inner();
        self.sessions.spawn(session.run(incoming));
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }
}

/// The token that the caller shows. Another scheme than Bearer is nothing.
fn token(metadata: &MetadataMap) -> Option<SecretString> {
    let header = metadata
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let (scheme, token) = header?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim().into())
}

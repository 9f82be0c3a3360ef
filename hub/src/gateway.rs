//! Where agents connect: identity, handshake, and one session each.

use std::{pin::Pin, sync::Arc};

use flyte_registration_proto::hub::v1::{
    AgentMessage, HubMessage,
    registration_hub_server::{RegistrationHub, RegistrationHubServer},
};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};

use crate::{config, fleet::FleetHandle, metrics::Metrics};

mod session;
mod tokens;
mod wire;

pub use tokens::Tokens;

/// Largest message of the stream, in bytes.
pub const MESSAGE_MAX: usize = 4 * 1024 * 1024;
/// Messages that may wait for a slow agent. The rest waits in the index, newest only.
const OUTGOING: usize = 16;

/// The service.
#[derive(Debug)]
pub struct Gateway {
    fleet: FleetHandle,
    tokens: Tokens,
    settings: config::Session,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    sessions: TaskTracker,
    drain: CancellationToken,
}

impl Gateway {
    /// A gateway to `fleet`. Its sessions are asked to end when `drain` is cancelled, and are
    /// tracked by `sessions`.
    pub fn new(
        fleet: FleetHandle,
        tokens: Tokens,
        settings: config::Session,
        metrics: Arc<Metrics>,
        sessions: TaskTracker,
        drain: CancellationToken,
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.max_sessions));
        Self {
            fleet,
            tokens,
            settings,
            places,
            metrics,
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
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted("the hub has as many sessions as it may have")
        })?;
        let presented = request
            .metadata()
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let Some(cluster) = self.tokens.identify(presented) else {
            self.metrics.session_refused();
            // One text for all causes: a stranger learns nothing.
            return Err(Status::unauthenticated(
                "the token is not that of a known cluster",
            ));
        };
        let (outgoing, messages) = mpsc::channel(OUTGOING);
        let session = session::Session {
            cluster,
            fleet: self.fleet.clone(),
            settings: self.settings.clone(),
            metrics: Arc::clone(&self.metrics),
            outgoing,
            drain: self.drain.clone(),
        };
        let incoming = request.into_inner();
        self.sessions.spawn(async move {
            session.run(incoming).await;
            drop(place);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }
}

//! Calls to FlyteAdmin, each within the limits.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use flyte_registration_crd::EntityType;
use flyte_registration_proto::raw::RawCodec;
use http::uri::PathAndQuery;
use prost::Message;
use tonic::{Code, Request, Status, client::Grpc};

use super::{
    EndpointError, FlyteAdminConfig,
    adaptive::{Admitted, Limiter, Load},
    auth::{Auth, AuthError, Held},
    classify::classify,
    endpoint,
    wire::Lenient,
};

/// Largest answer. A list of a thousand entities is the largest that we ask for.
const ANSWER_MAX: usize = 64 << 20;

/// A method of FlyteAdmin, most of `flyteidl.service.AdminService`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method(&'static str);

macro_rules! methods {
    ($($constant:ident => $name:literal,)+) => {
        impl Method {
            $(pub(super) const $constant: Self =
                Self(concat!("/flyteidl.service.AdminService/", $name));)+
        }
    };
}

methods! {
    GET_PROJECT => "GetProject",
    GET_DOMAINS => "GetDomains",
    REGISTER_PROJECT => "RegisterProject",
    CREATE_TASK => "CreateTask",
    CREATE_WORKFLOW => "CreateWorkflow",
    CREATE_LAUNCH_PLAN => "CreateLaunchPlan",
    GET_TASK => "GetTask",
    GET_WORKFLOW => "GetWorkflow",
    GET_LAUNCH_PLAN => "GetLaunchPlan",
    LIST_TASKS => "ListTasks",
    LIST_WORKFLOWS => "ListWorkflows",
    LIST_LAUNCH_PLANS => "ListLaunchPlans",
    UPDATE_LAUNCH_PLAN => "UpdateLaunchPlan",
}

impl Method {
    pub(super) const CREATE_UPLOAD_LOCATION: Self =
        Self("/flyteidl.service.DataProxyService/CreateUploadLocation");

    /// The method that creates entities of this kind.
    pub(super) fn create(kind: EntityType) -> Self {
        match kind {
            EntityType::Task => Self::CREATE_TASK,
            EntityType::Workflow => Self::CREATE_WORKFLOW,
            EntityType::LaunchPlan => Self::CREATE_LAUNCH_PLAN,
        }
    }

    /// The method that answers with one entity of this kind.
    pub(super) fn get(kind: EntityType) -> Self {
        match kind {
            EntityType::Task => Self::GET_TASK,
            EntityType::Workflow => Self::GET_WORKFLOW,
            EntityType::LaunchPlan => Self::GET_LAUNCH_PLAN,
        }
    }

    /// The method that lists entities of this kind.
    pub(super) fn list(kind: EntityType) -> Self {
        match kind {
            EntityType::Task => Self::LIST_TASKS,
            EntityType::Workflow => Self::LIST_WORKFLOWS,
            EntityType::LaunchPlan => Self::LIST_LAUNCH_PLANS,
        }
    }
}

/// A connection to FlyteAdmin.
#[derive(Debug)]
pub(super) struct Admin {
    grpc: Grpc<Lenient>,
    limiter: Arc<Limiter>,
    timeout: Duration,
    auth: Option<Auth>,
}

impl Admin {
    pub(super) fn new(config: &FlyteAdminConfig) -> Result<Self, EndpointError> {
        Self::with(config, Arc::new(Limiter::new(config.max_in_flight)))
    }

    /// Another connection to the same FlyteAdmin: the calls of both are in flight together.
    pub(super) fn beside(&self, config: &FlyteAdminConfig) -> Result<Self, EndpointError> {
        Self::with(config, Arc::clone(&self.limiter))
    }

    fn with(config: &FlyteAdminConfig, limiter: Arc<Limiter>) -> Result<Self, EndpointError> {
        let channel = Lenient(endpoint::channels(config)?);
        Ok(Self {
            auth: Auth::new(config, channel.clone())?,
            grpc: Grpc::new(channel).max_decoding_message_size(ANSWER_MAX),
            limiter,
            timeout: config.call_timeout,
        })
    }

    pub(super) fn load(&self) -> Load {
        self.limiter.load()
    }

    /// Waits until there is room for one more call.
    pub(super) async fn room(&self) -> Room<'_> {
        Room {
            admin: self,
            admitted: self.limiter.admit().await,
        }
    }

    /// Makes one call as soon as there is room for it.
    pub(super) async fn call(&self, method: Method, message: Bytes) -> Result<Bytes, Status> {
        self.room().await.call(method, message).await
    }

    /// The same, with messages that we know.
    pub(super) async fn typed<A: Message + Default>(
        &self,
        method: Method,
        message: &impl Message,
    ) -> Result<A, Status> {
        let answer = self.call(method, message.encode_to_vec().into()).await?;
        A::decode(answer).map_err(|error| Status::new(Code::Internal, error.to_string()))
    }

    /// Makes the call with a token, and once more with a new one if FlyteAdmin refuses it:
    /// it does so before it does anything else.
    async fn authenticated(&self, method: Method, message: Bytes) -> Result<Bytes, Status> {
        let Some(auth) = &self.auth else {
            let answer = self.timed(method, message, None).await;
            return answer.map_err(|status| match status.code() {
                Code::Unauthenticated => AuthError::not_configured(&status).into_status(),
                _ => status,
            });
        };
        let held = auth.held().await.map_err(AuthError::into_status)?;
        let answer = self.timed(method, message.clone(), Some(&held)).await;
        match &answer {
            Err(status) if status.code() == Code::Unauthenticated => {}
            _ => return answer,
        }
        let held = auth.instead_of(&held).await;
        let held = held.map_err(AuthError::into_status)?;
        let answer = self.timed(method, message, Some(&held)).await;
        answer.map_err(|status| match status.code() {
            Code::Unauthenticated => Auth::refused(&held, &status).into_status(),
            _ => status,
        })
    }

    async fn timed(
        &self,
        method: Method,
        message: Bytes,
        held: Option<&Held>,
    ) -> Result<Bytes, Status> {
        let answer = tokio::time::timeout(self.timeout, self.send(method, message, held)).await;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
    }

    async fn send(
        &self,
        method: Method,
        message: Bytes,
        held: Option<&Held>,
    ) -> Result<Bytes, Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready()
            .await
            .map_err(|error| Status::unavailable(causes(&*error)))?;
        let mut request = Request::new(message);
        // Told to FlyteAdmin as well, which gives up its database connections then.
        request.set_timeout(self.timeout);
        if let Some(held) = held {
            held.put(&mut request);
        }
        let path = PathAndQuery::from_static(method.0);
        let answer = grpc.unary(request, path, RawCodec).await;
        answer.map(tonic::Response::into_inner).map_err(explained)
    }
}

/// Room for one call.
#[derive(Debug)]
pub(super) struct Room<'a> {
    admin: &'a Admin,
    admitted: Admitted<'a>,
}

impl Room<'_> {
    /// Makes the call. The deadline counts from now on.
    pub(super) async fn call(mut self, method: Method, message: Bytes) -> Result<Bytes, Status> {
        let answer = self.admin.authenticated(method, message).await;
        if let Err(status) = &answer {
            let ours = AuthError::is_behind(status);
            if !ours && classify(status.code(), status.message()).is_strain() {
                self.admitted.strained();
            }
            tracing::debug!(method = method.0, code = ?status.code(), "FlyteAdmin says no");
        }
        answer
    }
}

/// A failure to connect says "transport error" and little else: why is in its causes.
fn explained(status: Status) -> Status {
    match std::error::Error::source(&status) {
        Some(source) if status.code() == Code::Unavailable || status.code() == Code::Unknown => {
            Status::unavailable(causes(source))
        }
        _ => status,
    }
}

/// An error and what is behind it, on one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    text
}

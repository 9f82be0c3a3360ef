//! Every gRPC call passes here: it is counted, delayed, failed on request, and
//! answered.

use std::{
    convert::Infallible,
    future::{self, Future},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use flyte_registration_proto::raw::RawCodec;
use parking_lot::RwLock;
use tonic::{
    Request, Response, Status,
    body::Body,
    metadata::MetadataMap,
    server::{Grpc, UnaryService},
};

use crate::{
    admin::Admin,
    auth::Authority,
    counters::{Call, Counters},
    error,
    faults::{Action, Faults, Mishap, RACE},
    pool::Pool,
    service,
    store::{Key, State},
};

/// What calls share.
#[derive(Debug)]
pub struct Shared {
    /// Answers.
    pub admin: Admin,
    /// Counts.
    pub counters: Counters,
    /// Fails.
    pub faults: Faults,
    /// Database connections.
    pub pool: Pool,
    /// Added to every call.
    pub latency: RwLock<Duration>,
    /// Asks for tokens.
    pub authority: Option<Arc<Authority>>,
}

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The service behind every path that no other one has.
#[derive(Debug, Clone)]
pub struct Front(pub Arc<Shared>);

impl tower::Service<http::Request<axum::body::Body>> for Front {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pending<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<axum::body::Body>) -> Self::Future {
        let path = request.uri().path().trim_start_matches('/').to_owned();
        let (service, method) = path.rsplit_once('/').unwrap_or((&path, ""));
        let unary = Unary {
            shared: Arc::clone(&self.0),
            service: service.to_owned(),
            method: method.to_owned(),
        };
        let unlimited = Some(usize::MAX); // the service has the limit, and its text
        let mut grpc = Grpc::new(RawCodec).apply_max_message_size_config(unlimited, unlimited);
        Box::pin(async move {
            let mut response = grpc.unary(unary, request.map(Body::new)).await;
            error::with_cut_message(response.headers_mut());
            Ok(response)
        })
    }
}

struct Unary {
    shared: Arc<Shared>,
    service: String,
    method: String,
}

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = Pending<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let (service, method) = (self.service.clone(), self.method.clone());
        Box::pin(async move {
            let (metadata, _, bytes) = request.into_parts();
            let call = Call::read(&service, &method, &bytes);
            let flight = shared.counters.start(call.clone());
            let answer = answer(&shared, &service, &method, &metadata, &call, &bytes).await;
            flight.end(answer.as_ref().err().map_or(tonic::Code::Ok, Status::code));
            answer.map(Response::new)
        })
    }
}

async fn answer(
    shared: &Shared,
    service: &str,
    method: &str,
    metadata: &MetadataMap,
    call: &Call,
    bytes: &[u8],
) -> Result<Bytes, Status> {
    let fault = shared.faults.next(call);
    match fault {
        Some(Action::Hang) => future::pending::<()>().await,
        Some(Action::DelayMs(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Some(Action::Fail { code, ref message }) => return Err(Status::new(code.into(), message)),
        _ => {}
    }
    let mishap = mishap(shared, fault.as_ref(), call).await;
    let latency = *shared.latency.read();
    let _connections = shared.pool.take(service, method, latency).await;
    let authority = shared.authority.as_deref();
    let admin = &shared.admin;
    let answer = service::guarded(authority, admin, service, method, metadata, bytes, mishap);
    if matches!(fault, Some(Action::LostAnswer)) {
        return Err(Status::unavailable("connection reset by peer"));
    }
    answer.map(Bytes::from).map_err(|error| match fault {
        Some(Action::Truncated(limit)) => error.cut_at(limit),
        _ => error.into_status(),
    })
}

/// What a fault does to the call within. This is the moment in which raced calls look.
async fn mishap(shared: &Shared, fault: Option<&Action>, call: &Call) -> Option<Mishap> {
    let key = || Key {
        project: call.project.clone(),
        domain: call.domain.clone(),
        name: call.name.clone(),
        version: call.version.clone(),
    };
    let there = match (fault?, call.rpc.as_str()) {
        (Action::HalfDone, _) => return Some(Mishap::HalfDone),
        (Action::Raced, "UpdateLaunchPlan") => return Some(Mishap::Raced),
        (Action::Raced, "CreateWorkflow") => {
            let find = |state: &State| state.workflows.find(&key()).is_some();
            shared.admin.read(find)
        }
        (Action::Raced, "CreateLaunchPlan") => {
            let find = |state: &State| state.launch_plans.find(&key()).is_some();
            shared.admin.read(find)
        }
        _ => return None,
    };
    tokio::time::sleep(RACE).await;
    (!there).then_some(Mishap::Raced)
}

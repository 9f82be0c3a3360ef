//! A client that does nothing but send the creates: the most that FlyteAdmin and the way to it allow.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use flyte_registration_crd::EntityType;
use flyte_registration_hub::package::{Plan, Planned};
use flyte_registration_proto::raw::RawCodec;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::{
    Code, Request,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

/// FlyteAdmin tells what is different in a conflict, and more than the 16 KiB that hyper takes.
const HEADER_LIST_BYTES: u32 = 1 << 20;
const TIMEOUT: Duration = Duration::from_mins(1);

/// Sends the plan's creates over one new connection, `in_flight` at a time: tasks, then workflows, then
/// launch plans. All must be answered with `expected`.
pub async fn send(
    address: SocketAddr,
    plan: &Plan,
    in_flight: usize,
    expected: Code,
) -> Result<()> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .http2_max_header_list_size(HEADER_LIST_BYTES)
        .tcp_nodelay(true)
        .timeout(TIMEOUT);
    let grpc = Grpc::new(endpoint.connect().await?);
    for (kind, method) in [
        (EntityType::Task, "CreateTask"),
        (EntityType::Workflow, "CreateWorkflow"),
        (EntityType::LaunchPlan, "CreateLaunchPlan"),
    ] {
        let path =
            PathAndQuery::from_maybe_shared(format!("/flyteidl.service.AdminService/{method}"))?;
        let entities = plan.entities.iter().filter(|entity| entity.kind == kind);
        stream::iter(entities.map(|entity| create(grpc.clone(), path.clone(), entity, expected)))
            .buffer_unordered(in_flight)
            .try_collect::<()>()
            .await?;
    }
    Ok(())
}

async fn create(
    mut grpc: Grpc<Channel>,
    path: PathAndQuery,
    entity: &Planned,
    expected: Code,
) -> Result<()> {
    grpc.ready().await?;
    let answer = grpc
        .unary(Request::new(entity.request.clone()), path, RawCodec)
        .await;
    let code = answer
        .as_ref()
        .map_or_else(tonic::Status::code, |_| Code::Ok);
    if code == expected {
        return Ok(());
    }
    answer
        .map(drop)
        .with_context(|| format!("{} is answered with {code:?}", entity.id))?;
    anyhow::bail!("{} was registered already", entity.id)
}

//! The emulator against recordings of a real FlyteAdmin 1.16.8, and what tests ask of it beside answers.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)] // helpers of tests

mod compare;
mod conformance;
mod features;
mod messages;
mod races;
mod replay;
mod unknown_fields;
mod uploads;

use std::{env, fs, path::Path};

use flyte_registration_proto::flyteidl::service::admin_service_client::AdminServiceClient;
use flyteadmin_emulator::{Emulator, Options};
use serde_json::Value;
use tonic::transport::Channel;

/// An emulator, and a client of it.
async fn start(options: &Options) -> (Emulator, AdminServiceClient<Channel>) {
    let emulator = Emulator::start(options).await.expect("the emulator starts");
    let client = AdminServiceClient::connect(format!("http://{}", emulator.grpc));
    (emulator, client.await.expect("a connection"))
}

/// What a real server answered.
fn recording(name: &str) -> Value {
    let path = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap())
        .join("../recordings")
        .join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("a recording")
}

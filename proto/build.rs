//! Compiles the `.proto` files with protox, so that nobody needs protoc.

use std::{env, fs, path::PathBuf};

use prost::Message as _;

/// Between them they import every file of `FlyteIDL` that is here.
const FLYTEIDL: [&str; 4] = [
    "flyteidl/service/admin.proto",
    "flyteidl/service/auth.proto",
    "flyteidl/service/dataproxy.proto",
    "flyteidl/service/identity.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=hub");
    println!("cargo::rerun-if-changed=flyteidl");

    let hub = protox::compile(["hub/v1/hub.proto"], ["."])?;
    tonic_prost_build::configure()
        .bytes(".flyteregistration.hub.v1")
        .compile_fds(hub)?;

    if env::var_os("CARGO_FEATURE_FLYTEIDL").is_some() {
        let flyteidl = protox::compile(FLYTEIDL, ["."])?;
        let out = PathBuf::from(env::var("OUT_DIR")?);
        fs::write(out.join("flyteidl.bin"), flyteidl.encode_to_vec())?;
        tonic_prost_build::configure().compile_fds(flyteidl)?;
    }
    Ok(())
}

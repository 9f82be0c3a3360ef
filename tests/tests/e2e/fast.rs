//! Packages that bring their code along, on a storage that refuses what is wrongly signed.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use flyte_registration_proto::{
    flyteidl::{
        admin::{ObjectGetRequest, Task},
        core::{Identifier, ResourceType, task_template},
    },
    raw::RawCodec,
};
use flyte_registration_tests::{
    World, block_on,
    package::package_with,
    peers::{FlyteAdmin, S3},
};
use prost::Message as _;
use reqwest::Method;
use serde_json::json;
use tonic::{Request, client::Grpc, transport::Endpoint};

use crate::support::{PROJECT, SOON, calls, spec, system, version};

const SOURCE: &str = r"
from flytekit import task, workflow

@task
def extract(day: str) -> int:
    return len(day)

@workflow
def nightly(day: str) -> int:
    return extract(day=day)
";

#[test]
fn code_is_uploaded_once_and_found_by_the_tasks() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let storage = S3::start("fast-s3").await?;
        let args = ["--storage-endpoint", storage.url()];
        let flyteadmin = FlyteAdmin::emulator("fast-flyteadmin", &[PROJECT], &args).await?;
        let system = system("fast", world, &flyteadmin).await?;
        let package = package_with("quick", SOURCE, &["--copy", "all"]).await?;
        system.push(&package, "fast/quick", "v1").await?;
        let uri = format!("oci://{}/fast/quick:v1", world.registry.host());

        let first = version();
        system
            .apply(0, "quick", &spec(&uri, &first))
            .await?
            .success()?;
        system.reason(0, "quick", "Registered", SOON).await?;
        assert_eq!(storage.count("PUT", 200), 1);

        let args = arguments(&flyteadmin, "quick.extract", &first).await?;
        assert_eq!(args[0], "pyflyte-fast-execute", "{args:?}");
        let url = args
            .iter()
            .find(|arg| arg.starts_with("s3://"))
            .with_context(|| format!("no URL among {args:?}"))?;
        ensure!(url.ends_with(".tar.gz"), "{url}");
        ensure!(!args.concat().contains("{{ ."), "left open: {args:?}");
        let stored = fs::read(storage.object(url))?;
        assert!(stored == uncompressed_code(&package)?, "other bytes");

        // The same registration by another resource, after a restart: nothing is remembered.
        system.hub.kill()?;
        system.hub.start_again()?;
        system.ready().await?;
        let asked = calls(&flyteadmin, Some("CreateUploadLocation")).await?;
        system
            .apply(1, "again", &spec(&uri, &first))
            .await?
            .success()?;
        let again = system.reason(1, "again", "Registered", SOON).await?;
        assert_eq!(again["status"]["counts"]["unchanged"], 3, "{again:#}");
        assert_eq!(
            calls(&flyteadmin, Some("CreateUploadLocation")).await?,
            asked + 1
        );
        assert_eq!(storage.count("PUT", 200), 1);
        Ok(())
    })
}

#[test]
fn an_expired_url_is_replaced_by_a_fresh_one() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let storage = S3::start("expired-s3").await?;
        let args = ["--storage-endpoint", storage.url()];
        let flyteadmin = FlyteAdmin::emulator("expired-flyteadmin", &[PROJECT], &args).await?;
        let expired = json!({"count": 2});
        flyteadmin
            .control(Method::POST, "expired-urls", Some(&expired))
            .await?;
        let system = system("expired", world, &flyteadmin).await?;
        let package = package_with("quick", SOURCE, &["--copy", "all"]).await?;
        system.push(&package, "expired/quick", "v1").await?;
        let uri = format!("oci://{}/expired/quick:v1", world.registry.host());
        system
            .apply(0, "quick", &spec(&uri, &version()))
            .await?
            .success()?;
        system.reason(0, "quick", "Registered", SOON).await?;
        assert_eq!(
            (storage.count("PUT", 403), storage.count("PUT", 200)),
            (2, 1)
        );
        assert_eq!(calls(&flyteadmin, Some("CreateUploadLocation")).await?, 3);
        Ok(())
    })
}

/// A wrong upload must fail, or the tests above show nothing.
#[test]
fn the_storage_refuses_what_is_not_signed_and_what_is_damaged() -> Result<()> {
    block_on(async {
        World::shared().await?;
        let storage = S3::start("strict-s3").await?;
        let client = flyte_registration_tests::tls::client(None)?;
        let args = ["--storage-endpoint", storage.url()];
        let flyteadmin = FlyteAdmin::emulator("strict-flyteadmin", &[PROJECT], &args).await?;
        let request = flyte_registration_proto::flyteidl::service::CreateUploadLocationRequest {
            project: PROJECT.to_owned(),
            domain: "development".to_owned(),
            filename: "a b.tar.gz".to_owned(),
            content_md5: MD5_OF_CODE.to_vec(),
            ..Default::default()
        };
        let path = "/flyteidl.service.DataProxyService/CreateUploadLocation";
        let answer = call(&flyteadmin, path, &request.encode_to_vec()).await?;
        let location =
            flyte_registration_proto::flyteidl::service::CreateUploadLocationResponse::decode(
                answer,
            )?;
        let md5 = location.headers["Content-MD5"].as_str();
        let other = "AAAAAAAAAAAAAAAAAAAAAA==";
        for (url, md5, body, status) in [
            (location.signed_url.clone(), md5, "eodc", 400),
            (location.signed_url.clone(), other, "code", 403),
            (location.signed_url.replace("a%20b", "c"), md5, "code", 403),
            (location.signed_url.clone(), md5, "code", 200),
        ] {
            let put = client.put(&url).header("content-md5", md5).body(body);
            let answer = put.send().await?;
            let got = answer.status();
            assert_eq!(got, status, "{body}: {}", answer.text().await?);
        }
        Ok(())
    })
}

/// MD5 of `code`.
const MD5_OF_CODE: [u8; 16] = [
    0xc1, 0x33, 0x67, 0x94, 0x5d, 0x5d, 0x4c, 0x91, 0x04, 0x7b, 0x3b, 0x50, 0x23, 0x4a, 0xa7, 0xab,
];

/// The answer to any call, as bytes.
pub async fn call(flyteadmin: &FlyteAdmin, path: &str, request: &[u8]) -> Result<bytes::Bytes> {
    let endpoint = Endpoint::from_shared(format!("http://{}", flyteadmin.endpoint()))?;
    let mut grpc = Grpc::new(endpoint.connect().await?);
    grpc.ready().await?;
    let request = Request::new(bytes::Bytes::copy_from_slice(request));
    let answer = grpc.unary(request, path.parse()?, RawCodec).await?;
    Ok(answer.into_inner())
}

/// The arguments of a task's container, as FlyteAdmin holds them.
async fn arguments(flyteadmin: &FlyteAdmin, name: &str, version: &str) -> Result<Vec<String>> {
    let request = ObjectGetRequest {
        id: Some(Identifier {
            resource_type: ResourceType::Task.into(),
            project: PROJECT.to_owned(),
            domain: "development".to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
            ..Identifier::default()
        }),
    };
    let path = "/flyteidl.service.AdminService/GetTask";
    let task = Task::decode(call(flyteadmin, path, &request.encode_to_vec()).await?)?;
    let target = task
        .closure
        .and_then(|closure| closure.compiled_task)
        .and_then(|compiled| compiled.template)
        .and_then(|template| template.target);
    match target {
        Some(task_template::Target::Container(container)) => Ok(container.args),
        other => anyhow::bail!("no container: {other:?}"),
    }
}

fn uncompressed_code(package: &Path) -> Result<Vec<u8>> {
    let mut tar = tar::Archive::new(GzDecoder::new(fs::File::open(package)?));
    for entry in tar.entries()? {
        let entry = entry?;
        if entry.path()?.to_string_lossy().starts_with("fast") {
            let mut code = Vec::new();
            std::io::Read::read_to_end(&mut GzDecoder::new(entry), &mut code)?;
            return Ok(code);
        }
    }
    anyhow::bail!("no code in {}", package.display())
}

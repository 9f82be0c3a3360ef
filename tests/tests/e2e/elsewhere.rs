//! Packages from Artifactory and HTTP servers: from the resource to `FlyteAdmin`.

use std::{fs, path::PathBuf};

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flyte_registration_tests::{
    System, World, block_on,
    package::sample_package,
    paths::run_dir,
    peers::{Nginx, NginxAccess, NginxOptions},
    system::ready,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{SOON, emulator, spec, system_with};

const PASSWORD: &str = "artifactory-password-secret";
const TOKEN: &str = "artifactory-identity-token-secret";
const HTTP_TOKEN: &str = "http-bearer-token-secret";

/// nginx as the source `kind` at `/root`, which takes a token.
struct Bearer {
    nginx: Nginx,
    source: Value,
}

impl Bearer {
    async fn start(name: &str, kind: &str, token: &'static str, package: &str) -> Result<Self> {
        let options = NginxOptions {
            tls: true,
            access: NginxAccess::Bearer(token),
        };
        let nginx = Nginx::start(name, options).await?;
        let bytes = fs::read(sample_package().await?)?;
        nginx.put(package, &bytes, Some(&bytes)).await?;
        let source = json!({
            "kind": kind, "url": nginx.url("/root"), "caFile": nginx.authority(),
            "tokenFile": secret(name, token)?, "timeout": "10s",
        });
        Ok(Self { nginx, source })
    }
}

/// A file with a secret.
fn secret(name: &str, text: &str) -> Result<PathBuf> {
    let file = run_dir(&format!("{name}-secret"))?.join("secret");
    fs::write(&file, text)?;
    Ok(file)
}

async fn apply(system: &System<'_>, name: &str, uri: &str, digest: Option<&str>) -> Result<()> {
    // The version is the resource's name, and so is the file's.
    let mut spec = spec(uri, name);
    spec["digest"] = json!(digest);
    system.apply(0, name, &spec).await?.success().map(drop)
}

async fn fails(system: &System<'_>, name: &str, reason: &str, said: &str) -> Result<()> {
    let failed = system.reason(0, name, reason, SOON).await?;
    let message = ready(&failed)["message"].to_string();
    ensure!(message.contains(said), "{message} says nothing of {said}");
    Ok(())
}

/// Nothing that hub and agents say has a secret in it, nor the header that it is sent in.
async fn leaks_nothing(system: &System<'_>, secrets: &[&str]) -> Result<()> {
    let mut said = vec![
        ("the hub's log", system.hub.log()),
        ("the hub's metrics", system.hub_metrics().await?),
        ("a status", Value::from(system.list(0).await?).to_string()),
    ];
    said.extend(
        system
            .agents
            .iter()
            .map(|agent| ("an agent's log", agent.log())),
    );
    ensure!(said[0].1.contains("TRACE"), "the log is at its finest");
    for secret in secrets {
        let pair = STANDARD.encode(format!("downloader:{secret}"));
        for (place, text) in &said {
            let shown = [*secret, &pair].iter().any(|form| text.contains(form));
            ensure!(!shown, "{place} shows {secret}");
        }
    }
    Ok(())
}

#[test]
fn artifactory_and_http_resources_with_credentials_failures_and_no_leak() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("elsewhere").await?;
        let options = NginxOptions {
            access: NginxAccess::Basic("downloader", PASSWORD),
            ..NginxOptions::default()
        };
        let basic = Nginx::start("elsewhere-basic", options).await?;
        let package = fs::read(sample_package().await?)?;
        for version in ["relative", "pinned", "mispinned", "denied"] {
            let path = format!("/artifactory/flyte/team/etl_{version}.tgz");
            basic.put(&path, &package, Some(&package)).await?;
        }
        let password = secret("elsewhere", PASSWORD)?;
        let other = "/root/generic/team/etl_absolute.tgz";
        let bearer = Bearer::start("elsewhere-token", "artifactory", TOKEN, other).await?;
        let files = "/root/etl-https.tar.gz";
        let files = Bearer::start("elsewhere-http", "http", HTTP_TOKEN, files).await?;
        let hub = json!({
            "sources": {
                "artifactory": {
                    "kind": "artifactory", "url": basic.url("/artifactory"), "prefix": "flyte",
                    "caFile": basic.authority(), "timeout": "10s",
                    "username": "downloader", "passwordFile": password,
                },
                "tokens": bearer.source,
                "files": files.source,
            },
            "tenants": {"warehouse": {
                "sources": ["artifactory", "tokens", "files"], "defaultSource": "artifactory",
            }},
            "log": {"level": "trace"},
        });
        let system = system_with("elsewhere", world, &flyteadmin, hub).await?;

        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&package)));
        let https = files.nginx.url("/root/etl-{version}.tar.gz");
        apply(&system, "relative", "team/etl", None).await?;
        apply(&system, "pinned", "team/etl", Some(&digest)).await?;
        apply(&system, "absolute", "artifactory://generic/team/etl", None).await?;
        apply(&system, "https", &https, None).await?;
        for name in ["relative", "pinned", "absolute", "https"] {
            let registered = system.reason(0, name, "Registered", SOON).await?;
            let package = &registered["status"]["package"];
            ensure!(package["digest"] == digest.as_str(), "{name}: {package}");
        }
        let asked = bearer.nginx.count("GET", other).await?;
        ensure!(asked == 1, "the other Artifactory was asked {asked} times");

        apply(&system, "missing", "team/etl", None).await?;
        fails(&system, "missing", "PackageNotFound", "no such package").await?;
        apply(&system, "gone", &https, None).await?;
        fails(&system, "gone", "PackageNotFound", "no such package").await?;
        let wrong = format!("sha256:{}", "0".repeat(64));
        apply(&system, "mispinned", "team/etl", Some(&wrong)).await?;
        fails(&system, "mispinned", "DigestMismatch", &wrong).await?;

        fs::write(&password, "wrong-password-secret")?;
        apply(&system, "denied", "team/etl", None).await?;
        fails(&system, "denied", "SourceUnauthorized", "denies access").await?;
        fs::write(&password, PASSWORD)?;
        system.reason(0, "denied", "Registered", SOON).await?;
        let secrets = [PASSWORD, TOKEN, HTTP_TOKEN, "wrong-password-secret"];
        leaks_nothing(&system, &secrets).await
    })
}

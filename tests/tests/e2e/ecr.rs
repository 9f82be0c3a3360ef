//! Packages in private registries of ECR: moto gives the tokens, and a real registry takes them.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    Setup, System, World, block_on,
    package::sample_package,
    paths::{free_port, run_dir},
    peers::{Aws, FlyteAdmin, Registry, RegistryOptions},
    system::{push, ready},
    wait_until,
};
use serde_json::{Value, json};

use crate::support::{PROJECT, SOON, apply_all, emulator, spec, version};

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const SECRET_KEY: &str = "secret-access-key-of-the-hub";
/// The hub's own identity, and nothing of whoever runs the tests.
const IDENTITY: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];
/// What moto gives to an identity of the account `123456789012`.
const OWN: &str = "123456789012-auth-token";
/// What moto gives to an identity of the account `210987654321`.
const OTHER: &str = "210987654321-auth-token";
const ROLE: &str = "arn:aws:iam::210987654321:role/puller";

/// A registry that takes ECR's user with this password, and holds the sample as `acme/etl:v1`.
async fn registry(name: &str, password: &'static str) -> Result<Registry> {
    let options = RegistryOptions {
        user: Some(("AWS", password)),
        ..RegistryOptions::default()
    };
    let registry = Registry::start(&format!("{name}-ecr"), options).await?;
    let dir = run_dir(&format!("{name}-push"))?;
    push(&registry, &dir, &sample_package().await?, "acme/etl", "v1").await?;
    Ok(registry)
}

/// A source that is called `host`, whose tokens are asked for as `ecr` says.
fn source(registry: &Registry, host: &str, ecr: &Value) -> Value {
    json!({
        "kind": "oci",
        "registry": host,
        "endpoint": registry.host(),
        "caFile": registry.authority(),
        "timeout": "10s",
        "ecr": ecr,
    })
}

async fn system<'a>(
    name: &'a str,
    world: &'static World,
    flyteadmin: &'a FlyteAdmin,
    sources: Value,
    env: &[(&str, &str)],
) -> Result<System<'a>> {
    let names: Vec<&String> = sources.as_object().context("no sources")?.keys().collect();
    let setup = Setup {
        name,
        clusters: &world.clusters,
        registry: &world.registry,
        flyteadmin,
        projects: &[PROJECT],
        hub: json!({
            "sources": sources,
            "tenants": {"warehouse": {"sources": names, "defaultSource": names[0]}},
            // At this level the SDK of AWS would tell the tokens.
            "log": {"level": "trace"},
        }),
        agent: Value::Null,
    };
    System::start_with(setup, env).await
}

fn uri(host: &str) -> String {
    format!("oci://{host}/acme/etl:v1")
}

/// Nothing that the hub says has one of these in it.
fn leaks_nothing(system: &System<'_>, secrets: &[&str]) -> Result<()> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    let log = system.hub.log();
    for secret in secrets {
        ensure!(!log.contains(secret), "the hub logs {secret}");
        let pair = STANDARD.encode(format!("AWS:{secret}"));
        ensure!(
            !log.contains(&pair),
            "the hub logs {secret} as ECR gives it"
        );
    }
    Ok(())
}

#[test]
fn ecr_tokens_are_fetched_once_for_all_and_anew_when_the_registry_refuses_them() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("ecr").await?;
        let aws = Aws::start("ecr-aws").await?;
        let registry = registry("own", OWN).await?;
        let sources = json!({"ecr": source(&registry, HOST, &json!({"endpoint": aws.url()}))});
        let system = system("ecr", world, &flyteadmin, sources, &IDENTITY).await?;

        apply_all(&system, &uri(HOST), 10).await?;
        for cluster in 0..system.setup.clusters.len() {
            system.all(cluster, 10, "Registered", SOON).await?;
        }
        assert_eq!(aws.calls("GetAuthorizationToken").len(), 1);

        registry.change_password("rotated-ecr-token")?;
        aws.change_password("rotated-ecr-token");
        system
            .apply(0, "later", &spec(&uri(HOST), &version()))
            .await?
            .success()?;
        system.reason(0, "later", "Registered", SOON).await?;
        assert_eq!(aws.calls("GetAuthorizationToken").len(), 2);
        leaks_nothing(&system, &[OWN, "rotated-ecr-token", SECRET_KEY])
    })
}

#[test]
fn ecr_of_another_account_by_assume_role_and_what_aws_refuses() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("ecr-role").await?;
        let aws = Aws::start("ecr-role-aws").await?;
        let registry = registry("role", OTHER).await?;
        let other = "210987654321.dkr.ecr.eu-west-1.amazonaws.com";
        let nobody = format!("http://127.0.0.1:{}", free_port()?);
        let role = json!({
            "endpoint": aws.url(),
            "stsEndpoint": aws.url(),
            "roleArn": ROLE,
            "externalId": "acme-platform",
            "sessionName": "hub-of-acme",
        });
        let sources = json!({
            "away": source(&registry, HOST, &json!({"endpoint": nobody})),
            "role": source(&registry, other, &role),
        });
        let system = system("ecr-role", world, &flyteadmin, sources, &IDENTITY).await?;

        let apply = async |name: &str, host: &str| {
            let spec = spec(&uri(host), &version());
            system.apply(0, name, &spec).await?.success().map(drop)
        };
        apply("away", HOST).await?;
        let away = system.reason(0, "away", "SourceUnavailable", SOON).await?;
        let message = ready(&away)["message"].to_string();
        ensure!(message.contains("AWS refuses the connection"), "{message}");

        aws.refuse(Some(("AssumeRole", "AccessDenied")));
        apply("other", other).await?;
        for (action, told) in [
            ("AssumeRole", "STS answers AccessDenied"),
            ("GetAuthorizationToken", "ECR answers AccessDeniedException"),
        ] {
            let code = told.rsplit(' ').next().unwrap_or_default();
            aws.refuse(Some((action, code)));
            wait_until(SOON, told, || async {
                let message = ready(&system.get(0, "other").await?).to_string();
                ensure!(message.contains("SourceUnauthorized"), "{message}");
                ensure!(message.contains(told), "{message}");
                anyhow::Ok(())
            })
            .await?;
        }
        aws.refuse(None);
        system.reason(0, "other", "Registered", SOON).await?;
        let assumed = aws.calls("AssumeRole");
        let assumed = assumed.last().context("no role was assumed")?;
        for (field, value) in [
            ("RoleArn", ROLE),
            ("ExternalId", "acme-platform"),
            ("RoleSessionName", "hub-of-acme"),
        ] {
            assert_eq!(assumed.field(field), Some(value));
        }
        leaks_nothing(&system, &[OTHER, SECRET_KEY])
    })
}

#[test]
fn ecr_by_web_identity_and_without_any() -> Result<()> {
    block_on(async {
        let world = World::shared().await?;
        let flyteadmin = emulator("ecr-irsa").await?;
        let aws = Aws::start("ecr-irsa-aws").await?;
        let registry = registry("irsa", OTHER).await?;
        let source = source(&registry, HOST, &json!({"endpoint": aws.url()}));
        let sources = json!({"ecr": source});
        let token = run_dir("ecr-irsa-token")?.join("token");
        fs::write(&token, "projected-service-account-token")?;
        let (token, url) = (token.to_str().context("path is not UTF-8")?, aws.url());
        let mut env = IDENTITY[2..].to_vec();
        let without = system("ecr-none", world, &flyteadmin, sources.clone(), &env).await?;
        let spec = spec(&uri(HOST), &version());
        without.apply(0, "etl", &spec).await?.success()?;
        let refused = without.reason(0, "etl", "SourceUnauthorized", SOON).await?;
        let message = ready(&refused)["message"].to_string();
        ensure!(message.contains("no credentials of AWS"), "{message}");

        // What EKS sets for a pod whose service account has a role; STS is that of a private network.
        env.extend([
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token),
            ("AWS_ROLE_ARN", ROLE),
            ("AWS_ENDPOINT_URL_STS", &url),
        ]);
        let system = system("ecr-irsa", world, &flyteadmin, sources, &env).await?;
        system.apply(0, "etl", &spec).await?.success()?;
        system.reason(0, "etl", "Registered", SOON).await?;
        let calls = aws.calls("AssumeRoleWithWebIdentity");
        assert_eq!(
            calls[0].field("WebIdentityToken"),
            Some("projected-service-account-token")
        );
        leaks_nothing(&system, &[OTHER, "projected-service-account-token"])
    })
}

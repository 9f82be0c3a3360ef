//! The peers that packages come from, and what stands in their way.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_tests::{
    World, block_on, command,
    paths::peer_binary,
    peers::{
        Aws, Nginx, NginxAccess, NginxOptions, Registry, RegistryOptions, SigningKey, Toxiproxy,
    },
    tls::client,
};
use serde_json::{Value, json};

use super::{MANIFEST, push, push_and_pull};

#[test]
fn a_registry_with_token_auth_takes_the_tokens_of_its_server_alone() -> Result<()> {
    block_on(async {
        World::shared().await?;
        let options = RegistryOptions {
            tokens: true,
            ..RegistryOptions::default()
        };
        let registry = Registry::start("tokens", options).await?;
        let repository = "peers/tokens";
        push_and_pull(&registry, repository).await?;

        let manifest = registry.url(&format!("/v2/{repository}/manifests/v1"));
        let get = || registry.client().get(&manifest).header("accept", MANIFEST);
        let refused = get().send().await?;
        assert_eq!(refused.status(), 401);
        let challenge = refused.headers()["www-authenticate"].to_str()?.to_owned();
        let tokens = registry.tokens().context("a token server")?;
        ensure!(challenge.contains(&tokens.realm()), "{challenge}");
        let (user, password) = registry.user().context("a user")?;
        let ask = |password: &str, repository: &str| {
            let url = format!(
                "{}?service=registry&scope=repository:{repository}:pull",
                tokens.realm()
            );
            registry.client().get(url).basic_auth(user, Some(password))
        };
        assert_eq!(ask("wrong", repository).send().await?.status(), 401);
        for (asked, status) in [(repository, 200), ("peers/other", 401)] {
            let answer: Value = ask(password, asked).send().await?.json().await?;
            let token = answer["token"].as_str().context("a token")?;
            assert_eq!(get().bearer_auth(token).send().await?.status(), status);
        }
        assert_eq!(
            tokens.scopes(),
            [
                format!("repository:{repository}:pull"),
                "repository:peers/other:pull".to_owned()
            ]
        );
        Ok(())
    })
}

#[test]
fn nginx_serves_files_with_checksums_to_who_logs_in() -> Result<()> {
    block_on(async {
        World::shared().await?;
        let nginx = Nginx::start("nginx", NginxOptions::default()).await?;
        let path = "/artifactory/generic/etl_v1.tgz";
        nginx.put(path, b"abc", Some(b"abc")).await?;
        let get = || nginx.client().get(nginx.url(path));
        assert_eq!(get().send().await?.status(), 401);
        let answer = nginx.authorized(get()).send().await?;
        let header = |name: &str| {
            answer.headers()[name]
                .to_str()
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(
            header("x-checksum-sha256"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            header("x-checksum-sha1"),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(header("x-checksum-md5"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(answer.text().await?, "abc");
        nginx.put("/plain.tgz", b"no checksums", None).await?;
        assert_eq!(nginx.count("GET", path).await?, 1);

        let options = NginxOptions {
            tls: false,
            access: NginxAccess::Bearer("a-token"),
        };
        let nginx = Nginx::start("nginx-bearer", options).await?;
        nginx.put("/other.tgz", b"abc", Some(b"xyz")).await?;
        let get = || nginx.client().get(nginx.url("/other.tgz"));
        assert_eq!(get().bearer_auth("another").send().await?.status(), 401);
        assert_eq!(nginx.authorized(get()).send().await?.text().await?, "abc");
        Ok(())
    })
}

#[test]
fn toxiproxy_breaks_what_passes_through_it() -> Result<()> {
    block_on(async {
        World::shared().await?;
        let options = NginxOptions {
            tls: false,
            access: NginxAccess::Anonymous,
        };
        let nginx = Nginx::start("behind-toxiproxy", options).await?;
        let large = vec![7; 100_000];
        nginx.put("/large", &large, None).await?;
        let toxiproxy = Toxiproxy::start("toxiproxy").await?;
        let proxy = toxiproxy.proxy("nginx", nginx.host()).await?;
        let size = || async {
            // A client for each, as a connection that is kept knows nothing of a new fault.
            let answer = client(None)?.get(format!("http://{}/large", proxy.host()));
            anyhow::Ok(answer.send().await?.bytes().await?.len())
        };
        assert_eq!(size().await?, large.len());
        proxy
            .poison("limit_data", &json!({"bytes": 50_000}))
            .await?;
        ensure!(size().await.is_err(), "the rest came after all");
        proxy.cure("limit_data").await?;
        proxy.poison("reset_peer", &json!({"timeout": 0})).await?;
        ensure!(size().await.is_err(), "no reset");
        proxy.cure("reset_peer").await?;
        proxy.enable(false).await?;
        ensure!(size().await.is_err(), "the port is open");
        proxy.enable(true).await?;
        assert_eq!(size().await?, large.len());
        Ok(())
    })
}

#[test]
fn cosign_signs_and_verifies_in_the_registry() -> Result<()> {
    block_on(async {
        let registry = &World::shared().await?.registry;
        let repository = "peers/cosign";
        let digest = push(registry, repository).await?;
        let key = SigningKey::generate("cosign").await?;
        key.sign(registry, repository, &digest).await?;
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let signature = registry
            .client()
            .head(registry.url(&format!("/v2/{repository}/manifests/{tag}")))
            .header("accept", MANIFEST);
        assert_eq!(registry.authorized(signature).send().await?.status(), 200);

        let other = SigningKey::generate("other-cosign").await?;
        let verify = async |key: &Path| {
            let image = format!("{}/{repository}@{digest}", registry.host());
            let (user, password) = registry.user().context("a user")?;
            let authority = registry.authority().context("TLS")?;
            let args = [
                "verify".as_ref(),
                "--insecure-ignore-tlog".as_ref(),
                "--key".as_ref(),
                key.as_os_str(),
                "--registry-username".as_ref(),
                user.as_ref(),
                "--registry-password".as_ref(),
                password.as_ref(),
                "--registry-cacert".as_ref(),
                authority.as_os_str(),
                image.as_ref(),
            ];
            command::run(&peer_binary("cosign"), args, &[], "").await
        };
        verify(&key.public()).await?.success()?;
        ensure!(verify(&other.public()).await?.code != Some(0));
        Ok(())
    })
}

#[test]
fn moto_gives_ecr_tokens_and_roles() -> Result<()> {
    block_on(async {
        World::shared().await?;
        let aws = Aws::start("moto").await?;
        let http = client(None)?;
        let token = || {
            http.post(aws.url())
                .header(
                    "x-amz-target",
                    "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
                )
                .header("content-type", "application/x-amz-json-1.1")
                .header("authorization", credential("ecr"))
                .timeout(Duration::from_secs(30))
                .body("{}")
        };
        let answer: Value = token().send().await?.json().await?;
        // AWS:123456789012-auth-token
        assert_eq!(
            answer["authorizationData"][0]["authorizationToken"],
            "QVdTOjEyMzQ1Njc4OTAxMi1hdXRoLXRva2Vu"
        );
        let assumed = http
            .post(aws.url())
            .header("authorization", credential("sts"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(
                "Action=AssumeRole&Version=2011-06-15&RoleSessionName=hub&ExternalId=acme\
                 &RoleArn=arn:aws:iam::210987654321:role/puller",
            )
            .send()
            .await?
            .text()
            .await?;
        ensure!(assumed.contains("assumed-role/puller/hub"), "{assumed}");
        let calls = aws.calls("AssumeRole");
        assert_eq!(calls[0].field("ExternalId"), Some("acme"));

        aws.refuse(Some(("GetAuthorizationToken", "AccessDeniedException")));
        assert_eq!(token().send().await?.status(), 400);
        aws.refuse(None);
        aws.change_password("rotated");
        let answer: Value = token().send().await?.json().await?;
        // AWS:rotated
        assert_eq!(
            answer["authorizationData"][0]["authorizationToken"],
            "QVdTOnJvdGF0ZWQ="
        );
        assert_eq!(aws.calls("GetAuthorizationToken").len(), 3);
        Ok(())
    })
}

/// What moto reads of a signature: the key and the service. It checks neither.
fn credential(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=key/20260101/eu-west-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    )
}

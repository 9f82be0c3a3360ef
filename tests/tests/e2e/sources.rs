//! The hub's sources against the programs that packages really come from, without a cluster.

use std::{collections::BTreeMap, fs, io::Read as _};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_crd::Reason;
use flyte_registration_hub::source::{
    Allowed, Cache, CacheConfig, Digest, Fetched, SourceConfig, SourceError, Sources, Wanted,
    locate,
};
use flyte_registration_tests::{
    block_on,
    paths::run_dir,
    peers::{Nginx, NginxAccess, NginxOptions, Registry, RegistryOptions, Toxiproxy},
};
use serde_json::{Value, json};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1";

/// One source, as a tenant's default one.
pub struct Hub {
    configs: BTreeMap<String, SourceConfig>,
    sources: Sources,
}

impl Hub {
    fn new(name: &str, source: &Value) -> Result<Self> {
        let cache = CacheConfig {
            dir: run_dir(&format!("cache-{name}"))?,
            ..CacheConfig::default()
        };
        Self::with(&cache, source)
    }

    pub fn with(cache: &CacheConfig, source: &Value) -> Result<Self> {
        let configs: BTreeMap<_, _> = serde_json::from_value(json!({"main": source}))?;
        let sources = Sources::new(&configs, Cache::open(cache)?)?;
        Ok(Self { configs, sources })
    }

    pub async fn fetch(&self, uri: &str, digest: Option<&str>) -> Result<Fetched, SourceError> {
        let names = ["main".to_owned()];
        let allowed = Allowed {
            default_source: Some("main"),
            sources: &names,
            signatures: None,
        };
        let wanted = Wanted {
            uri,
            version: "v1",
            digest,
        };
        let package = locate(wanted, allowed, &self.configs);
        let package = package.unwrap_or_else(|error| unreachable!("{uri}: {error}"));
        self.sources.fetch(&package).await
    }

    async fn reason(&self, uri: &str) -> Option<Reason> {
        self.fetch(uri, None)
            .await
            .err()
            .map(|error| error.reason())
    }
}

fn content(fetched: &Fetched) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    fetched.blob.open()?.read_to_end(&mut content)?;
    Ok(content)
}

/// A file with a secret.
fn secret(name: &str, text: &str) -> Result<std::path::PathBuf> {
    let file = run_dir(&format!("secret-{name}"))?.join("secret");
    fs::write(&file, text)?;
    Ok(file)
}

#[test]
fn artifactory_with_a_password_checksums_and_revalidation() -> Result<()> {
    block_on(async {
        let nginx = Nginx::start("artifactory", NginxOptions::default()).await?;
        let NginxAccess::Basic(user, password) = nginx.access() else {
            anyhow::bail!("nginx has no user")
        };
        let file = secret("artifactory", password)?;
        let hub = Hub::new(
            "artifactory",
            &json!({
                "kind": "artifactory", "url": nginx.url("/artifactory/"), "prefix": "flyte",
                "caFile": nginx.authority(), "username": user, "passwordFile": file,
            }),
        )?;
        let path = "/artifactory/flyte/team/etl_v1.tgz";
        nginx
            .put(path, b"the package", Some(b"the package"))
            .await?;
        for uri in ["team/etl", "artifactory://flyte/team/etl", &nginx.url(path)] {
            let fetched = hub
                .fetch(uri, Some(Digest::of(b"the package").as_str()))
                .await?;
            assert_eq!(content(&fetched)?, b"the package", "{uri}");
        }
        assert_eq!(
            nginx.count("GET", path).await?,
            1,
            "then it was not modified"
        );
        assert_eq!(
            hub.reason("team/other").await,
            Some(Reason::PackageNotFound)
        );

        let lie = "/artifactory/flyte/team/lie_v1.tgz";
        nginx.put(lie, b"another", Some(b"the package")).await?;
        assert_eq!(hub.reason("team/lie").await, Some(Reason::DigestMismatch));
        nginx.put(path, b"a third package", None).await?;
        assert_eq!(
            content(&hub.fetch("team/etl", None).await?)?,
            b"a third package"
        );

        fs::write(&file, "wrong")?;
        assert_eq!(
            hub.reason("team/etl").await,
            Some(Reason::SourceUnauthorized),
            "although it is in the cache"
        );
        Ok(())
    })
}

#[test]
fn http_with_a_token_resumed_where_the_network_truncated_it() -> Result<()> {
    block_on(async {
        let options = NginxOptions {
            tls: false,
            access: NginxAccess::Bearer("a-token"),
        };
        let nginx = Nginx::start("http-source", options).await?;
        let large: Vec<u8> = (0..250_000_u32).flat_map(u32::to_le_bytes).collect();
        nginx.put("/files/etl_v1.tgz", &large, None).await?;
        let toxiproxy = Toxiproxy::start("http-source-toxiproxy").await?;
        let proxy = toxiproxy.proxy("http-source", nginx.host()).await?;
        let hub = Hub::new(
            "http",
            &json!({
                "kind": "http", "url": format!("http://{}/files", proxy.host()), "plainHttp": true,
                "tokenFile": secret("http", "a-token\n")?, "timeout": "5s",
            }),
        )?;
        // More than half: the second connection gets as much, which is enough for the rest.
        proxy
            .poison("limit_data", &json!({"bytes": 600_000}))
            .await?;
        assert_eq!(content(&hub.fetch("etl", None).await?)?, large);
        let parts = nginx
            .requests()
            .await?
            .iter()
            .filter(|request| request.status == 206)
            .count();
        assert_eq!(parts, 1, "the rest was asked for");

        nginx.put("/files/other_v1.tgz", &large, None).await?;
        proxy.cure("limit_data").await?;
        proxy.poison("limit_data", &json!({"bytes": 1000})).await?;
        assert_eq!(
            hub.reason("other").await,
            Some(Reason::SourceUnavailable),
            "truncated twice"
        );
        proxy.cure("limit_data").await?;
        proxy.enable(false).await?;
        let error = hub
            .fetch("other", None)
            .await
            .err()
            .context("nobody listens")?;
        ensure!(
            error.to_string().ends_with("refuses the connection"),
            "{error}"
        );
        Ok(())
    })
}

#[test]
fn docker_config_for_the_token_server_of_a_real_registry() -> Result<()> {
    block_on(async {
        let options = RegistryOptions {
            tokens: true,
            ..RegistryOptions::default()
        };
        let registry = Registry::start("source-tokens", options).await?;
        let config = registry.put_blob("team/etl", "{}").await?;
        let layer = registry.put_blob("team/etl", "the package").await?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": format!("{LAYER}.tar+gzip"), "digest": layer, "size": 11}],
            "annotations": {"org.opencontainers.image.revision": "4f0c"},
        });
        registry
            .put_manifest("team/etl", "v1", MANIFEST, manifest.to_string())
            .await?;
        let (user, password) = registry.user().context("a user")?;
        let auths = json!({registry.host(): {"username": user, "password": password}});
        let docker = secret("docker", &json!({"auths": auths}).to_string())?;
        let hub = Hub::new(
            "tokens",
            &json!({
                "kind": "oci", "registry": registry.host(), "caFile": registry.authority(), "dockerConfigFile": docker,
            }),
        )?;
        let fetched = hub.fetch("team/etl", None).await?;
        assert_eq!(content(&fetched)?, b"the package");
        assert_eq!(fetched.package.revision.as_deref(), Some("4f0c"));
        let tokens = registry.tokens().context("a token server")?;
        assert_eq!(tokens.scopes(), ["repository:team/etl:pull"]);
        fs::write(&docker, json!({"auths": {}}).to_string())?;
        assert_eq!(
            hub.reason("team/etl").await,
            Some(Reason::SourceUnauthorized)
        );
        Ok(())
    })
}

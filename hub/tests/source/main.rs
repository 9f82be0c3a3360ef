//! Sources and `push` against a registry in this process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::{collections::BTreeMap, io::Read as _, path::Path, sync::Arc};

use flyte_registration_crd::Reason;
use flyte_registration_hub::source::{
    Allowed, Cache, CacheConfig, Digest, Fetched, PackageRef, SourceConfig, SourceError, Sources,
    Wanted, locate,
};
use serde_json::{Value, json};
use tempfile::TempDir;

mod auth;
mod elsewhere;
mod faults;
mod fetch;
mod files;
mod leak;
mod push;
mod registry;
mod sharing;
mod signature;
mod tls;

use registry::Registry;

/// The source `main` of a configuration, and how tests use it.
struct Setup {
    dir: TempDir,
    configs: BTreeMap<String, SourceConfig>,
    sources: Arc<Sources>,
}

/// Sources over a cache in `dir`.
fn sources(dir: &Path, configs: &BTreeMap<String, SourceConfig>) -> Arc<Sources> {
    let cache = CacheConfig {
        dir: dir.to_owned(),
        max_size: 64 << 20,
    };
    Arc::new(Sources::new(configs, Cache::open(&cache).unwrap()).unwrap())
}

/// A source's configuration, with more keys.
fn config(config: Value, more: &Value) -> SourceConfig {
    let mut config = config;
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

/// A source's configuration over plain HTTP, with more keys.
fn plain(authority: &str, more: &Value) -> SourceConfig {
    let base = json!({"kind": "oci", "registry": authority, "plainHttp": true});
    config(base, more)
}

impl Setup {
    fn new(config: SourceConfig) -> Self {
        // The client needs a provider even for plain HTTP. Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let configs = BTreeMap::from([("main".to_owned(), config)]);
        let sources = sources(dir.path(), &configs);
        Self {
            dir,
            configs,
            sources,
        }
    }

    async fn with_registry(more: Value) -> (Self, Registry) {
        let registry = Registry::start().await;
        (Self::new(plain(&registry.authority, &more)), registry)
    }

    /// What another process over the same cache would have.
    fn restarted(&self) -> Arc<Sources> {
        sources(self.dir.path(), &self.configs)
    }

    fn locate(&self, uri: &str, digest: Option<&Digest>) -> PackageRef {
        at(&self.configs, uri, digest)
    }

    async fn fetch(&self, uri: &str) -> Result<Fetched, SourceError> {
        self.sources.fetch(&self.locate(uri, None)).await
    }

    /// The reason and the message that a fetch fails with.
    async fn failure(&self, uri: &str) -> (Reason, String) {
        let error = self.fetch(uri).await.unwrap_err();
        (error.reason(), error.to_string())
    }
}

/// The package that `uri` means, whose `:tag` stands for the version where it is relative.
fn at(configs: &BTreeMap<String, SourceConfig>, uri: &str, digest: Option<&Digest>) -> PackageRef {
    let names: Vec<String> = configs.keys().cloned().collect();
    let allowed = Allowed {
        default_source: names.first().map(String::as_str),
        sources: &names,
        signatures: None,
    };
    let (uri, version) = match uri.split_once("://") {
        Some(_) => (uri, "v1"),
        None => uri.split_once(':').unwrap_or((uri, "v1")),
    };
    let wanted = Wanted {
        uri,
        version,
        digest: digest.map(Digest::as_str),
    };
    locate(wanted, allowed, configs).unwrap()
}

fn read(fetched: &Fetched) -> Vec<u8> {
    let mut bytes = Vec::new();
    fetched
        .blob
        .open()
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, RequestBuilder, header::CONTENT_TYPE, header::LOCATION};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    READY,
    access_log::{self, Request},
    token_server::{self, TokenServer},
};
use crate::{
    paths::{free_port, peer_binary, run_dir},
    process::Process,
    tls::{Authority, client},
};

/// An OCI registry (distribution) that keeps its blobs in a folder.
pub struct Registry {
    process: Process,
    host: String,
    options: Options,
    authority: Option<PathBuf>,
    tokens: Option<TokenServer>,
    client: Client,
}

/// How a registry is reached.
#[derive(Clone, Copy)]
pub struct Options {
    /// Plain HTTP if false.
    pub tls: bool,
    /// User and password; anonymous if absent.
    pub user: Option<(&'static str, &'static str)>,
    /// The user gets tokens from a token server with the password; else the password goes with each request.
    pub tokens: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: true,
            user: Some(("puller", "registry-password")),
            tokens: false,
        }
    }
}

impl Registry {
    /// Starts an empty one.
    pub async fn start(name: &str, options: Options) -> Result<Self> {
        let dir = run_dir(name)?;
        let host = format!("127.0.0.1:{}", free_port()?);
        let mut http = json!({"addr": host, "secret": "only one instance signs uploads with it"});
        let (mut pem, mut certificate) = (None, None);
        if options.tls {
            let authority = Authority::new(&format!("{name} CA"))?;
            let files = authority.issue(&dir, "serving", &["registry"])?;
            http["tls"] = json!({"certificate": files.certificate, "key": files.key});
            pem = Some((authority.write(&dir)?, authority.pem()));
            certificate = Some(files);
        }
        let mut config = json!({
            "version": 0.1,
            "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": false}},
            "storage": {"filesystem": {"rootdirectory": dir.join("storage")}, "delete": {"enabled": true}},
            "http": http,
        });
        let mut tokens = None;
        match options.user {
            Some(user) if options.tokens => {
                let server = TokenServer::start(&dir, user, certificate.as_ref()).await?;
                config["auth"] = json!({"token": {
                    "realm": server.realm(),
                    "service": token_server::SERVICE,
                    "issuer": token_server::ISSUER,
                    "jwks": token_server::keys(&dir),
                }});
                tokens = Some(server);
            }
            Some((user, password)) => {
                let path = write_passwords(&dir, user, password)?;
                config["auth"] = json!({"htpasswd": {"realm": "registry", "path": path}});
            }
            None => {}
        }
        let path = dir.join("config.yaml");
        fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
        let args = ["serve".as_ref(), path.as_os_str()];
        let process = Process::start(
            name,
            &dir,
            &peer_binary("registry"),
            args,
            &[("OTEL_TRACES_EXPORTER", "none")],
        )?;
        let client = client(pem.as_ref().map(|(_, pem)| pem.as_str()))?;
        let registry = Self {
            process,
            host,
            options,
            authority: pem.map(|(path, _)| path),
            tokens,
            client,
        };
        registry.ready().await?;
        Ok(registry)
    }

    async fn ready(&self) -> Result<()> {
        let ask = || async {
            Ok(self
                .authorized(self.client.get(self.url("/v2/")))
                .send()
                .await?
                .error_for_status()
                .map(drop)?)
        };
        self.process.ready(READY, ask).await
    }

    /// Starts it again after [`Process::kill`], on the same port and storage.
    pub async fn start_again(&self) -> Result<()> {
        self.process.start_again()?;
        self.ready().await
    }

    /// `host:port`, as in a reference.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// User and password.
    pub fn user(&self) -> Option<(&str, &str)> {
        self.options.user
    }

    /// The certificate of its authority, if it has TLS.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// The folder of its blobs, for tests that break it: `docker/registry/v2/…` below.
    pub fn storage(&self) -> PathBuf {
        self.process.dir().join("storage")
    }

    /// The process, to kill or to measure.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// A client that trusts it. It does not send the password, see [`Registry::authorized`].
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The URL of a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.options.tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.host)
    }

    /// The token server, if it has one.
    pub fn tokens(&self) -> Option<&TokenServer> {
        self.tokens.as_ref()
    }

    /// Takes another password from now on. The harness itself goes on with the old one.
    pub fn change_password(&self, password: &str) -> Result<()> {
        let (user, _) = self.options.user.context("it has no user")?;
        write_passwords(self.process.dir(), user, password).map(drop)
    }

    /// Adds the password, or a token for what the request is about.
    pub fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match (self.options.user, &self.tokens) {
            (None, _) => request,
            (Some((user, password)), None) => request.basic_auth(user, Some(password)),
            (Some(_), Some(tokens)) => {
                let scope = scope(&request).unwrap_or_default();
                match tokens.grant(&scope) {
                    Ok(token) => request.bearer_auth(token),
                    // The registry refuses it, and the test shows that.
                    Err(_) => request,
                }
            }
        }
    }

    /// Uploads a blob and gives its digest.
    pub async fn put_blob(&self, repository: &str, blob: impl Into<Vec<u8>>) -> Result<String> {
        let blob = blob.into();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&blob)));
        let start = self
            .client
            .post(self.url(&format!("/v2/{repository}/blobs/uploads/")));
        let started = self.authorized(start).send().await?.error_for_status()?;
        let place = started
            .headers()
            .get(LOCATION)
            .context("no place for the upload")?
            .to_str()?;
        // The place has a query already.
        let upload = self
            .client
            .put(format!("{place}&digest={digest}"))
            .body(blob);
        self.authorized(upload).send().await?.error_for_status()?;
        Ok(digest)
    }

    /// Uploads a manifest as `tag` (or digest) and gives its digest.
    pub async fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        manifest: impl Into<Vec<u8>>,
    ) -> Result<String> {
        let manifest = manifest.into();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&manifest)));
        let put = self
            .client
            .put(self.url(&format!("/v2/{repository}/manifests/{tag}")))
            .header(CONTENT_TYPE, media_type);
        let answer = self.authorized(put.body(manifest)).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{status}: {}", answer.text().await?);
        Ok(digest)
    }

    /// All requests that it has answered up to now, from its access log.
    pub async fn requests(&self) -> Result<Vec<Request>> {
        access_log::settled(&self.process, &self.client, &self.url("/v2/")).await
    }

    /// How many requests with `method` and a path that contains `part` it has answered with 2xx.
    pub async fn count(&self, method: &str, part: &str) -> Result<usize> {
        let requests = self.requests().await?;
        Ok(access_log::count(&requests, method, part))
    }
}

/// Everything that can be done with the repository of a request.
fn scope(request: &RequestBuilder) -> Option<String> {
    let url = request.try_clone()?.build().ok()?.url().clone();
    let path = url.path().strip_prefix("/v2/")?;
    let end = ["/manifests/", "/blobs/", "/tags/"]
        .iter()
        .find_map(|part| path.find(part))?;
    Some(format!("repository:{}:pull,push", &path[..end]))
}

fn write_passwords(dir: &Path, user: &str, password: &str) -> Result<PathBuf> {
    let path = dir.join("htpasswd");
    // The lowest cost: each request with a password hashes it.
    fs::write(&path, format!("{user}:{}\n", bcrypt::hash(password, 4)?))?;
    Ok(path)
}

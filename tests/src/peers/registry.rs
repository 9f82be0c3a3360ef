use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, RequestBuilder, header::CONTENT_TYPE, header::LOCATION};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::READY;
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
    client: Client,
}

/// How a registry is reached.
#[derive(Clone, Copy)]
pub struct Options {
    /// Plain HTTP if false.
    pub tls: bool,
    /// User and password for basic auth; anonymous if absent.
    pub user: Option<(&'static str, &'static str)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: true,
            user: Some(("puller", "registry-password")),
        }
    }
}

/// One request that a registry has answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

impl Registry {
    /// Starts an empty one.
    pub async fn start(name: &str, options: Options) -> Result<Self> {
        let dir = run_dir(name)?;
        let host = format!("127.0.0.1:{}", free_port()?);
        let mut http = json!({"addr": host, "secret": "only one instance signs uploads with it"});
        let mut pem = None;
        if options.tls {
            let authority = Authority::new(&format!("{name} CA"))?;
            let files = authority.issue(&dir, "serving", &["registry"])?;
            http["tls"] = json!({"certificate": files.certificate, "key": files.key});
            pem = Some((authority.write(&dir)?, authority.pem()));
        }
        let mut config = json!({
            "version": 0.1,
            "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": false}},
            "storage": {"filesystem": {"rootdirectory": dir.join("storage")}, "delete": {"enabled": true}},
            "http": http,
        });
        if let Some((user, password)) = options.user {
            let path = dir.join("htpasswd");
            // The lowest cost: each request with a password hashes it.
            fs::write(&path, format!("{user}:{}\n", bcrypt::hash(password, 4)?))?;
            config["auth"] = json!({"htpasswd": {"realm": "registry", "path": path}});
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

    /// Adds the password to a request.
    pub fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.options.user {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
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

    /// All requests that it has answered, from its access log.
    ///
    /// A request is logged just after its answer was sent, so the last one may be missing for a moment.
    pub fn requests(&self) -> Vec<Request> {
        self.process.log().lines().filter_map(parse).collect()
    }

    /// How many requests with `method` and a path that contains `part` it has answered with 2xx.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let fits = |request: &&Request| {
            request.method == method
                && request.path.contains(part)
                && (200..300).contains(&request.status)
        };
        self.requests().iter().filter(fits).count()
    }
}

/// Reads a line in Apache's combined format; other lines of the log are JSON.
fn parse(line: &str) -> Option<Request> {
    if line.starts_with('{') {
        return None;
    }
    let (_, rest) = line.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let (method, rest_of_request) = request.split_once(' ')?;
    let (path, _) = rest_of_request.rsplit_once(' ')?;
    let status = rest.split(' ').next()?.parse().ok()?;
    Some(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        status,
    })
}

#[cfg(test)]
mod tests {
    use super::{Request, parse};

    #[test]
    fn reads_the_access_log_and_skips_the_rest() {
        let line = r#"127.0.0.1 - - [21/Nov/2025:16:30:01 +0000] "GET /v2/etl/manifests/v1?x=1 HTTP/1.1" 401 87 "" "curl/8.0""#;
        let expected = Request {
            method: "GET".into(),
            path: "/v2/etl/manifests/v1?x=1".into(),
            status: 401,
        };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(
            parse(r#"{"msg":"response completed [x] \"GET / HTTP/1.1\" 200 "}"#),
            None
        );
        assert_eq!(parse("panic: something"), None);
    }
}

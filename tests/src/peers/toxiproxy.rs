use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::answers;
use crate::{
    paths::{free_port, peer_binary, run_dir},
    process::Process,
    tls::client,
};

/// Toxiproxy: lets connections through and breaks them in chosen ways.
pub struct Toxiproxy {
    /// Lives as long as this.
    _process: Process,
    url: String,
    client: Client,
}

/// A way through it to one server.
pub struct Proxy<'a> {
    toxiproxy: &'a Toxiproxy,
    name: String,
    host: String,
}

impl Toxiproxy {
    /// Starts one without any proxies.
    pub async fn start(name: &str) -> Result<Self> {
        let port = free_port()?.to_string();
        let args = ["-host", "127.0.0.1", "-port", &port];
        let process = Process::start(name, &run_dir(name)?, &peer_binary("toxiproxy"), args, &[])?;
        let (url, client) = (format!("http://127.0.0.1:{port}"), client(None)?);
        answers(&process, &client, &format!("{url}/version")).await?;
        Ok(Self {
            _process: process,
            url,
            client,
        })
    }

    /// A new proxy to `upstream` (`host:port`).
    pub async fn proxy(&self, name: &str, upstream: &str) -> Result<Proxy<'_>> {
        let host = format!("127.0.0.1:{}", free_port()?);
        let body = json!({"name": name, "listen": host, "upstream": upstream, "enabled": true});
        self.ask(Method::POST, "proxies", Some(&body)).await?;
        Ok(Proxy {
            toxiproxy: self,
            name: name.to_owned(),
            host,
        })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<()> {
        let mut request = self.client.request(method, format!("{}/{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| path.to_owned())?;
        let status = answer.status();
        ensure!(
            status.is_success(),
            "{path}: {status} {}",
            answer.text().await?
        );
        Ok(())
    }
}

impl Proxy<'_> {
    /// `host:port`, to speak to in place of the server.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Adds a fault to what the server sends: `kind` is `latency`, `bandwidth`, `slow_close`, `timeout`, `reset_peer`,
    /// `slicer` or `limit_data`, which its documentation explains with their attributes.
    pub async fn poison(&self, kind: &str, attributes: &Value) -> Result<()> {
        let toxic =
            json!({"name": kind, "type": kind, "stream": "downstream", "attributes": attributes});
        let path = format!("proxies/{}/toxics", self.name);
        self.toxiproxy.ask(Method::POST, &path, Some(&toxic)).await
    }

    /// Takes a fault back.
    pub async fn cure(&self, kind: &str) -> Result<()> {
        let path = format!("proxies/{}/toxics/{kind}", self.name);
        self.toxiproxy.ask(Method::DELETE, &path, None).await
    }

    /// Lets connections through, or closes the port.
    pub async fn enable(&self, enabled: bool) -> Result<()> {
        let path = format!("proxies/{}", self.name);
        let body = json!({"enabled": enabled});
        self.toxiproxy.ask(Method::POST, &path, Some(&body)).await
    }
}

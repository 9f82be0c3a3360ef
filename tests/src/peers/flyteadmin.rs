use std::env;

use anyhow::{Context as _, Result};
use reqwest::{Client, Method};
use serde_json::Value;

use super::answers;
use crate::{
    paths::{free_port, run_dir, workspace_binary},
    process::Process,
    tls::client,
};

/// A `FlyteAdmin`: the emulator, or the real one that `$FLYTE_ADMIN_ENDPOINT` names.
pub struct FlyteAdmin {
    endpoint: String,
    emulator: Option<Emulator>,
}

struct Emulator {
    process: Process,
    /// Where it is asked for its counters and told its faults.
    controls: String,
    client: Client,
}

impl FlyteAdmin {
    /// The one that `$FLYTE_ADMIN_ENDPOINT` (`host:port`) names, whose projects must exist; else an emulator with
    /// `projects`.
    pub async fn start(name: &str, projects: &[&str]) -> Result<Self> {
        match env::var("FLYTE_ADMIN_ENDPOINT") {
            Ok(endpoint) if !endpoint.is_empty() => Ok(Self {
                endpoint,
                emulator: None,
            }),
            _ => Self::emulator(name, projects, &[]).await,
        }
    }

    /// An emulator with `projects`, and `args` added to its command line.
    pub async fn emulator(name: &str, projects: &[&str], args: &[&str]) -> Result<Self> {
        let endpoint = format!("127.0.0.1:{}", free_port()?);
        let http = format!("127.0.0.1:{}", free_port()?);
        let mut all = vec!["--listen", &endpoint, "--http", &http];
        all.extend(projects.iter().flat_map(|project| ["--project", project]));
        all.extend(args);
        let process = Process::start(
            name,
            &run_dir(name)?,
            &workspace_binary("flyteadmin-emulator")?,
            all,
            &[],
        )?;
        let emulator = Emulator {
            process,
            controls: format!("http://{http}"),
            client: client(None)?,
        };
        emulator.ready().await?;
        Ok(Self {
            endpoint,
            emulator: Some(emulator),
        })
    }

    /// `host:port` of its gRPC service.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether it is the emulator, which counts requests and makes faults.
    pub fn is_emulator(&self) -> bool {
        self.emulator.is_some()
    }

    /// The emulator's process, to kill or to measure.
    pub fn process(&self) -> Result<&Process> {
        Ok(&self.the_emulator()?.process)
    }

    /// Starts the emulator again after [`Process::kill`], on the same ports.
    pub async fn start_again(&self) -> Result<()> {
        let emulator = self.the_emulator()?;
        emulator.process.start_again()?;
        emulator.ready().await
    }

    /// How many requests of each kind the emulator had.
    pub async fn counters(&self) -> Result<Value> {
        self.control(Method::GET, "counters", None).await
    }

    /// Asks the emulator's control port: `path` without the leading slash. An empty answer is `null`.
    pub async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let emulator = self.the_emulator()?;
        let mut request = emulator
            .client
            .request(method, format!("{}/{path}", emulator.controls));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        anyhow::ensure!(status.is_success(), "{path}: {status} {text}");
        if text.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))
        }
    }

    fn the_emulator(&self) -> Result<&Emulator> {
        self.emulator
            .as_ref()
            .context("a real FlyteAdmin cannot be controlled")
    }
}

impl Emulator {
    async fn ready(&self) -> Result<()> {
        answers(
            &self.process,
            &self.client,
            &format!("{}/counters", self.controls),
        )
        .await
    }
}

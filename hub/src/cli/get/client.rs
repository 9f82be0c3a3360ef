//! A client of the API.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::{
    source::client::{USER_AGENT, authorities, identity},
    web::api::types::{List, Problem},
};

const TIMEOUT: Duration = Duration::from_secs(30);
/// The most that a page may have.
const PAGE: usize = 500;

#[derive(Debug, Args)]
#[command(next_help_heading = "The hub")]
pub(super) struct ServerArgs {
    /// Its API: `https://host[:port]`.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "FLYTE_REGISTRATION_SERVER",
        default_value = "http://127.0.0.1:9443"
    )]
    server: Url,
    /// File with the token that may read.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FLYTE_REGISTRATION_TOKEN_FILE"
    )]
    token_file: Option<PathBuf>,
    /// Certificates that the hub's must go back to (PEM), besides the system's.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FLYTE_REGISTRATION_CA_FILE"
    )]
    ca_file: Option<PathBuf>,
    /// A client certificate that may read (PEM).
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FLYTE_REGISTRATION_CERT_FILE",
        requires = "key_file"
    )]
    cert_file: Option<PathBuf>,
    /// The key of this certificate (PEM).
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FLYTE_REGISTRATION_KEY_FILE"
    )]
    key_file: Option<PathBuf>,
}

pub(super) struct Client {
    http: reqwest::Client,
    server: Url,
    token_file: Option<PathBuf>,
}

impl Client {
    pub(super) fn new(args: &ServerArgs) -> anyhow::Result<Self> {
        if args.token_file.is_some()
            && args.server.scheme() != "https"
            && !is_loopback(&args.server)
        {
            bail!("the token is shown to an https server only, or to a loopback address");
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .timeout(TIMEOUT)
            .tls_certs_merge(authorities(args.ca_file.as_deref())?);
        if let (Some(certificate), Some(key)) = (&args.cert_file, &args.key_file) {
            builder = builder.identity(identity(certificate, key)?);
        }
        Ok(Self {
            http: builder.build()?,
            server: args.server.clone(),
            token_file: args.token_file.clone(),
        })
    }

    /// The items of all pages, at most `limit`.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        what: &str,
        filter: &[(&str, &Option<String>)],
        limit: usize,
    ) -> anyhow::Result<List<T>> {
        let mut list = List {
            items: Vec::new(),
            next: None,
        };
        loop {
            let mut url = self.server.join(&format!("/api/v1/{what}"))?;
            let set = filter
                .iter()
                .filter_map(|(name, value)| Some((*name, (*value).clone()?)));
            let mut parameters: Vec<(&str, String)> = set.collect();
            if limit < usize::MAX {
                let missing = limit.saturating_sub(list.items.len()).clamp(1, PAGE);
                parameters.push(("limit", missing.to_string()));
            }
            parameters.extend(list.next.take().map(|next| ("continue", next)));
            if !parameters.is_empty() {
                url.query_pairs_mut().extend_pairs(parameters);
            }
            let page: List<T> = self.get(url).await?;
            list.items.extend(page.items);
            list.next = page.next;
            if list.next.is_none() || list.items.len() >= limit {
                return Ok(list);
            }
        }
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> anyhow::Result<T> {
        let mut request = self.http.get(url);
        if let Some(file) = &self.token_file {
            let token = fs::read_to_string(file);
            let token = token.with_context(|| format!("cannot read {}", file.display()))?;
            request = request.bearer_auth(token.trim());
        }
        let response = request.send().await.context("the hub cannot be reached")?;
        let status = response.status();
        if status == StatusCode::OK {
            return response
                .json()
                .await
                .context("the hub's answer is not understood");
        }
        match response.json::<Problem>().await {
            Ok(problem) => bail!("the hub answers {status}: {}", problem.error.message),
            Err(_) => bail!("the hub answers {status}"),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    }
}

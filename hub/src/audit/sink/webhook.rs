//! Posts events to a server: CloudEvents' batched content mode over HTTP.

use std::{fs, io, path::Path, time::Duration};

use flyte_registration_crd::bounded;
use http::{StatusCode, header::CONTENT_TYPE};
use jiff::Timestamp;
use reqwest::{Client, Response, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::signature::{self, BadSecret};
use crate::{
    audit::WebhookConfig,
    source::{
        ClientError,
        client::{USER_AGENT, authorities, wire::retry_after},
    },
};

const BATCH: &str = "application/cloudevents-batch+json; charset=utf-8";
/// Bytes of an answer that are looked at, for the log.
const ANSWER_MAX: usize = 256;

/// The server did not take events.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The token or the secret cannot be read.
    #[error("the webhook's token or secret cannot be read")]
    Read(#[source] io::Error),
    /// The secret is none.
    #[error(transparent)]
    Secret(#[from] BadSecret),
    /// The authorities cannot be used.
    #[error("the webhook's authorities cannot be used")]
    Authorities(#[source] ClientError),
    /// The client cannot be made, or the server cannot be reached.
    #[error("the webhook cannot be reached")]
    Request(#[source] reqwest::Error),
    /// It answered that it does not take them.
    #[error("the webhook answered {status}: {answer}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// The beginning of what it said.
        answer: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
}

impl WebhookError {
    /// Fewer events may be taken.
    pub(super) fn is_too_large(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::PAYLOAD_TOO_LARGE)
    }
}

/// The server, and the client for it.
#[derive(Debug)]
pub(in crate::audit) struct Webhook {
    config: WebhookConfig,
    client: Client,
    /// The file with the authorities, as the client was made from it.
    authorities: Vec<u8>,
}

impl Webhook {
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, WebhookError> {
        let authorities = read_authorities(config)?;
        Ok(Self {
            client: client(config)?,
            config: config.clone(),
            authorities,
        })
    }

    pub(super) fn batch(&self) -> u32 {
        self.config.batch
    }

    pub(super) fn retry_max(&self) -> Duration {
        self.config.retry_max
    }

    /// Posts `events` as one batch.
    pub(super) async fn send(&mut self, events: &[&str]) -> Result<(), WebhookError> {
        self.renew()?;
        let body = format!("[{}]", events.join(","));
        let mut request = self
            .client
            .post(self.config.url.url().clone())
            .header(CONTENT_TYPE, BATCH);
        if let Some(file) = &self.config.token_file {
            request = request.bearer_auth(secret(file)?.expose_secret().trim());
        }
        if let Some(file) = &self.config.signing_secret_file {
            let id = Uuid::new_v4().to_string();
            let timestamp = Timestamp::now().as_second();
            let secret = secret(file)?;
            let signature =
                signature::sign(secret.expose_secret(), &id, timestamp, body.as_bytes())?;
            request = request
                .header("webhook-id", id)
                .header("webhook-timestamp", timestamp)
                .header("webhook-signature", signature);
        }
        let response = request
            .body(body)
            .send()
            .await
            .map_err(WebhookError::Request)?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(WebhookError::Refused {
            status: response.status(),
            retry_after: retry_after(response.headers(), Timestamp::now()),
            answer: beginning(response).await,
        })
    }

    /// Makes the client anew where the file with the authorities is another.
    fn renew(&mut self) -> Result<(), WebhookError> {
        let authorities = read_authorities(&self.config)?;
        if authorities != self.authorities {
            self.client = client(&self.config)?;
            self.authorities = authorities;
        }
        Ok(())
    }
}

fn client(config: &WebhookConfig) -> Result<Client, WebhookError> {
    let authorities = authorities(config.ca_file.as_deref());
    Client::builder()
        .user_agent(USER_AGENT)
        .tls_certs_merge(authorities.map_err(WebhookError::Authorities)?)
        .timeout(config.timeout)
        // What the process is started with decides nothing, and another host gets no events.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .map_err(WebhookError::Request)
}

fn read_authorities(config: &WebhookConfig) -> Result<Vec<u8>, WebhookError> {
    let read = |file: &Path| fs::read(file).map_err(WebhookError::Read);
    Ok(config
        .ca_file
        .as_deref()
        .map(read)
        .transpose()?
        .unwrap_or_default())
}

fn secret(file: &Path) -> Result<SecretString, WebhookError> {
    let text = fs::read_to_string(file).map_err(WebhookError::Read)?;
    Ok(text.into())
}

/// The beginning of the answer, as one line.
async fn beginning(mut response: Response) -> String {
    let mut answer = Vec::new();
    while answer.len() < ANSWER_MAX
        && let Ok(Some(bytes)) = response.chunk().await
    {
        answer.extend_from_slice(&bytes[..bytes.len().min(ANSWER_MAX)]);
    }
    let text = String::from_utf8_lossy(&answer);
    bounded(&text.escape_debug().to_string(), ANSWER_MAX)
}

//! Getting an issuer's keys: from a file, a URL, or by discovery (`OpenID` Connect Discovery 1.0).

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Client, redirect};
use serde::Deserialize;
use url::Url;

use super::SourceError;
use crate::{
    bounded,
    identity::{HttpsUrl, Keys},
    source::{ClientError, USER_AGENT, authorities},
};

/// Largest answer or file.
const BYTES_MAX: usize = 256 * 1024;
/// Longest wait for each answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where keys are.
#[derive(Debug)]
pub(in crate::identity) enum Fetch {
    /// In a file.
    File(PathBuf),
    /// On a server.
    Url { url: Url, ca_file: Option<PathBuf> },
    /// Where the issuer says.
    Discovery {
        issuer: String,
        ca_file: Option<PathBuf>,
    },
}

/// What matters of an issuer's discovery document.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: HttpsUrl,
}

impl Fetch {
    pub async fn keys(&self) -> Result<Keys, SourceError> {
        let bytes = match self {
            Self::File(file) => read(file).await?,
            Self::Url { url, ca_file } => get(&client(ca_file.as_deref())?, url.clone()).await?,
            Self::Discovery { issuer, ca_file } => {
                let client = client(ca_file.as_deref())?;
                let url = discover(&client, issuer).await?;
                get(&client, url).await?
            }
        };
        Ok(Keys::parse(&bytes)?)
    }
}

async fn discover(client: &Client, issuer: &str) -> Result<Url, SourceError> {
    let place = format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    );
    let place = Url::parse(&place).map_err(|_| SourceError::Discovery("has no URL"))?;
    let bytes = get(client, place).await?;
    let document: Document = serde_json::from_slice(&bytes)
        .map_err(|_| SourceError::Discovery("is none, or its keys are not at https"))?;
    if document.issuer != issuer {
        return Err(SourceError::Discovery("is that of another issuer"));
    }
    Ok(document.jwks_uri.0)
}

/// A client for a few requests an hour: made anew, so that the authorities are those of the file now.
fn client(ca_file: Option<&Path>) -> Result<Client, SourceError> {
    let unusable = |cause| SourceError::Authorities(ClientError::Tls(cause));
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .timeout(TIMEOUT)
        .https_only(true)
        .no_proxy()
        .redirect(redirect::Policy::none());
    if ca_file.is_some() {
        let authorities = authorities(ca_file);
        builder = builder.tls_certs_only(authorities.map_err(SourceError::Authorities)?);
    }
    builder.build().map_err(unusable)
}

async fn get(client: &Client, url: Url) -> Result<Vec<u8>, SourceError> {
    let host = url.authority().to_owned();
    let failed = |cause: reqwest::Error| SourceError::Ask {
        host: host.clone(),
        cause: cause.without_url(),
    };
    let mut response = client.get(url).send().await.map_err(failed)?;
    if response.status() != http::StatusCode::OK {
        return Err(SourceError::Status(host, response.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > BYTES_MAX {
            return Err(SourceError::TooLarge { limit: BYTES_MAX });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn read(file: &Path) -> Result<Vec<u8>, SourceError> {
    let limit = BYTES_MAX;
    bounded::read(file, limit as u64)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => SourceError::TooLarge { limit },
            _ => SourceError::Read(file.to_owned(), error),
        })
}

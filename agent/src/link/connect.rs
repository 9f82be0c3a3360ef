//! A connection to the hub, up to its Welcome.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

use flyte_registration_proto::hub::v1::{
    AgentMessage, HubMessage, refusal::Reason, registration_hub_client::RegistrationHubClient,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code, Request, Streaming,
    metadata::{AsciiMetadataValue, errors::InvalidMetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{Ended, Terms};
use crate::{chain, config};

/// Longest wait for a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for the hub's answer to Hello.
const HELLO: Duration = Duration::from_secs(10);
/// HTTP/2 pings, which find a dead peer below what proxies answer for it.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Longest wait for the answer to one.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest token, in bytes: what the hub reads.
const TOKEN_MAX: usize = 8 * 1024;

/// A stream that the hub has welcomed.
#[derive(Debug)]
pub struct Connection {
    /// What was agreed.
    pub terms: Terms,
    /// From the hub.
    pub inbound: Streaming<HubMessage>,
    /// To the hub. It holds one message, so that what is sent is as new as the stream is fast.
    pub outbound: mpsc::Sender<AgentMessage>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    #[error("{} holds no token", .0.display())]
    NoToken(PathBuf),
    #[error("{} holds what cannot be sent as a token", .0.display())]
    BadToken(PathBuf, #[source] InvalidMetadataValue),
    #[error("cannot connect to the hub")]
    Connect(#[source] tonic::transport::Error),
}

/// Connects to the hub, says `hello`, and waits for the Welcome.
pub async fn connect(hub: &config::Hub, hello: AgentMessage) -> Result<Connection, Ended> {
    let broken = |error: ConnectError| Ended::Broken(chain(&error));
    let token = match &hub.token_file {
        Some(file) => Some(token(file).await.map_err(broken)?),
        None => None,
    };
    let channel = channel(hub).await.map_err(broken)?;

    let (outbound, messages) = mpsc::channel(1);
    // The channel is empty and its receiver is here: this cannot fail.
    let _ = outbound.try_send(hello);
    let mut request = Request::new(ReceiverStream::new(messages));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", token);
    }
    let mut client = RegistrationHubClient::new(channel);
    let answer = async {
        let mut inbound = client
            .session(request)
            .await
            .map_err(|it| status(&it))?
            .into_inner();
        let first = inbound.message().await.map_err(|it| status(&it))?;
        let first =
            first.ok_or_else(|| broken_by("the hub closed the stream before its Welcome"))?;
        Ok((Terms::agree(first)?, inbound))
    };
    let answer = timeout(HELLO, answer).await;
    let (terms, inbound) =
        answer.unwrap_or_else(|_| Err(broken_by("the hub did not answer Hello in time")))?;
    Ok(Connection {
        terms,
        inbound,
        outbound,
    })
}

/// How a stream broke, in one line without the hub's metadata. A call of somebody whom the hub does
/// not know fails as a whole: no refusal comes.
pub(super) fn status(status: &tonic::Status) -> Ended {
    let message = flyte_registration_crd::bounded(status.message(), 512);
    match status.code() {
        Code::Unauthenticated => Ended::Refused(Reason::Unauthenticated, message),
        code => broken_by(format_args!("{code:?}: {message}")),
    }
}

pub(super) fn broken_by(what: impl Display) -> Ended {
    Ended::Broken(what.to_string())
}

async fn channel(hub: &config::Hub) -> Result<Channel, ConnectError> {
    let mut endpoint = Endpoint::from_shared(hub.endpoint.clone())
        .map_err(ConnectError::Connect)?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    if hub.endpoint.starts_with("https://") {
        let mut tls = match &hub.ca_file {
            Some(file) => {
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file).await?))
            }
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let (Some(certificate), Some(key)) = (&hub.cert_file, &hub.key_file) {
            tls = tls.identity(Identity::from_pem(
                read(certificate).await?,
                read(key).await?,
            ));
        }
        endpoint = endpoint.tls_config(tls).map_err(ConnectError::Connect)?;
    }
    endpoint.connect().await.map_err(ConnectError::Connect)
}

async fn token(file: &Path) -> Result<AsciiMetadataValue, ConnectError> {
    let bytes = read(file).await?;
    let text = String::from_utf8_lossy(&bytes);
    let token = text.trim();
    if token.is_empty() || token.len() > TOKEN_MAX {
        return Err(ConnectError::NoToken(file.to_owned()));
    }
    let mut value = AsciiMetadataValue::try_from(format!("Bearer {token}"))
        .map_err(|error| ConnectError::BadToken(file.to_owned(), error))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(file: &Path) -> Result<Vec<u8>, ConnectError> {
    tokio::fs::read(file)
        .await
        .map_err(|error| ConnectError::Read(file.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    async fn read_token(text: &str) -> Result<String, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let token = token(file.path()).await;
        token
            .map(|it| it.to_str().unwrap().to_owned())
            .map_err(|it| chain(&it))
    }

    #[tokio::test]
    async fn a_token_is_trimmed_and_checked() {
        assert_eq!(read_token(" secret\n").await.unwrap(), "Bearer secret");
        for bad in [
            "",
            "\n",
            "sec\u{7}ret",
            "sec\nret",
            &"x".repeat(TOKEN_MAX + 1),
        ] {
            let error = read_token(bad).await.unwrap_err();
            assert!(error.contains("token") && !error.contains("sec"), "{error}");
        }
    }

    #[test]
    fn a_call_that_is_not_let_in_is_a_refusal_and_any_other_failure_is_none() {
        let refused = status(&tonic::Status::unauthenticated("who are you"));
        assert!(refused.is_refusal() && !refused.is_lasting());
        assert!(refused.to_string().contains("who are you"), "{refused}");
        for broken in [
            tonic::Status::unavailable("away"),
            tonic::Status::resource_exhausted("full"),
        ] {
            assert!(!status(&broken).is_refusal(), "{broken:?}");
        }
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let error = chain(&token(Path::new("/nonexistent/token")).await.unwrap_err());
        assert!(
            error.contains("/nonexistent/token") && error.contains("No such file"),
            "{error}"
        );
    }
}

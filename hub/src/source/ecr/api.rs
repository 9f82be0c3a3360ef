//! The calls to ECR and STS, by AWS' own SDK.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ecr::{
    Client,
    config::{RuntimeComponents, SharedHttpClient},
};
use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use secrecy::SecretString;
use tokio::{sync::OnceCell, time::timeout};
use tracing::{instrument::WithSubscriber as _, subscriber::NoSubscriber};

use super::{EcrConfig, EcrHost, Given, decode, refusal, unavailable};
use crate::source::{ConnectionConfig, client::ClientError, error::Failure};

/// What the sessions of roles are called unless the source says otherwise.
const SESSION_NAME: &str = "flyte-registration-hub";
/// Where instances and containers ask for their credentials, which no proxy leads to.
const METADATA: &str = "169.254.169.254,169.254.170.2,169.254.170.23,fd00:ec2::254,fd00:ec2::23";
/// Attempts of the SDK for each call. The hub repeats the whole later.
const ATTEMPTS: u32 = 2;

/// ECR's API in one region, as one identity.
pub(super) struct Api {
    host: EcrHost,
    config: EcrConfig,
    http: SharedHttpClient,
    timeout: Duration,
    client: OnceCell<Client>,
}

impl Api {
    pub(super) fn new(
        host: EcrHost,
        config: EcrConfig,
        connection: &ConnectionConfig,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            host,
            config,
            http: http(connection)?,
            timeout: connection.timeout,
            client: OnceCell::new(),
        })
    }

    /// Asks for a token.
    pub(super) async fn token(&self) -> Result<Given, Failure> {
        // The SDK writes requests and answers to the log at trace level, with tokens and keys.
        let work = self.ask().with_subscriber(NoSubscriber::default());
        let seconds = self.timeout.as_secs_f32();
        let given = timeout(self.timeout, work)
            .await
            .unwrap_or_else(|_| Err(unavailable(&format!("gives no token within {seconds} s"))))?;
        tracing::debug!(
            account = self.host.account,
            region = self.host.region,
            "got a token of ECR"
        );
        Ok(given)
    }

    async fn ask(&self) -> Result<Given, Failure> {
        let client = self.client.get_or_init(|| self.connect()).await;
        let answer = client.get_authorization_token().send().await;
        let answer = answer.map_err(|error| refusal::failure(&error))?;
        let data = answer.authorization_data.unwrap_or_default();
        let data = data.into_iter().next();
        let until = data.as_ref().and_then(|data| data.expires_at);
        let token = data.and_then(|data| data.authorization_token);
        let credentials = token.and_then(|token| decode(&SecretString::from(token)));
        Ok(Given {
            credentials: credentials.ok_or_else(|| unavailable("gives no token"))?,
            until: until.and_then(|end| end.try_into().ok()),
        })
    }

    async fn connect(&self) -> Client {
        let limits = TimeoutConfig::builder()
            .connect_timeout(self.timeout)
            .operation_timeout(self.timeout);
        let base = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(self.host.region.clone()))
            .http_client(self.http.clone())
            .timeout_config(limits.build())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .load()
            .await;
        let mut config = aws_sdk_ecr::config::Builder::from(&base);
        if let Some(arn) = &self.config.role_arn {
            let role = self.role(arn, base).await;
            config = config.credentials_provider(SharedCredentialsProvider::new(role));
        }
        config = match &self.config.endpoint {
            Some(url) => config.endpoint_url(url.to_string()),
            None => config
                .use_fips(self.host.fips)
                .use_dual_stack(self.host.dual_stack),
        };
        Client::from_conf(config.build())
    }

    async fn role(&self, arn: &str, base: SdkConfig) -> AssumeRoleProvider {
        let mut base = base.into_builder();
        if let Some(url) = &self.config.sts_endpoint {
            base = base.endpoint_url(url.to_string());
        }
        let session = self.config.session_name.as_deref().unwrap_or(SESSION_NAME);
        let mut role = AssumeRoleProvider::builder(arn)
            .configure(&base.build())
            .session_name(session);
        if let Some(id) = &self.config.external_id {
            role = role.external_id(id);
        }
        role.build().await
    }
}

/// A client over rustls and ring, by the source's proxy and authorities.
fn http(connection: &ConnectionConfig) -> Result<SharedHttpClient, ClientError> {
    let mut trusted = TrustStore::default();
    if let Some(file) = &connection.ca_file {
        trusted.add_pem_certificate(std::fs::read(file).map_err(ClientError::Read)?);
    }
    let tls = TlsContext::builder().with_trust_store(trusted).build();
    let tls = tls.map_err(|_| ClientError::Aws)?;
    let proxy = match &connection.proxy {
        None => ProxyConfig::disabled(),
        Some(url) => ProxyConfig::all(url.url().as_str())
            .map_err(|_| ClientError::Aws)?
            .no_proxy(METADATA),
    };
    Ok(
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder();
            connector.set_connector_settings(settings.cloned());
            connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
            connector
                .proxy_config(proxy.clone())
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .tls_context(tls.clone())
                .build()
        }),
    )
}

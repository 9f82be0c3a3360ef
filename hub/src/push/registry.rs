//! The way into the registry.

use std::{sync::Arc, time::Duration};

use oci_client::{
    Client, Reference, RegistryOperation,
    client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol},
    secrets::RegistryAuth,
    token_cache::RegistryTokenType,
};
use rustls::pki_types::CertificateDer;
use secrecy::ExposeSecret as _;

use super::{Options, PushError};
use crate::source::{
    ClientError, ConnectionConfig,
    client::{self, Proxies, USER_AGENT, certificates},
    config::base_url,
    credentials::{CredentialFiles, Provider},
    oci::auth::{Access, Auth},
};

/// How long a registry may take to answer.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The registry to push to.
pub(super) struct Registry<'a> {
    options: &'a Options,
    credentials: Option<CredentialFiles>,
    auth: Auth,
}

impl<'a> Registry<'a> {
    pub(super) fn new(authority: &str, options: &'a Options) -> Result<Self, ClientError> {
        let connection = ConnectionConfig {
            ca_file: options.ca_file.clone(),
            plain_http: options.plain_http,
            timeout: TIMEOUT,
            ..ConnectionConfig::default()
        };
        let base = base_url(authority, options.plain_http)?;
        // As `oci_client`'s it uses the environment's proxies.
        let (name, proxies) = (authority.to_owned(), Proxies::Environment);
        let client = client::Client::new(name, base, &connection, proxies, Arc::default())?;
        let files = options.username.clone().zip(options.password_file.clone());
        let credentials = files.map(|(username, file)| CredentialFiles::new(username, file));
        let provider = credentials.clone().map(Provider::Password);
        let auth = Auth::new(Arc::new(client), provider, Access::Push, Vec::new());
        Ok(Self {
            options,
            credentials,
            auth,
        })
    }

    /// A client that is let into the repository of `image`. Its authentication is ours:
    /// `oci_client` would send the password to whatever token service the registry names.
    pub(super) async fn client(&self, image: &Reference) -> Result<Client, PushError> {
        let client = Client::try_from(self.config()?)?;
        let Some(header) = self.auth.probe(image.repository()).await?.header else {
            return Ok(client);
        };
        let registry = image.resolve_registry();
        let header = header.to_str().unwrap_or_default();
        if let Some(token) = header.strip_prefix("Bearer ") {
            let token = RegistryAuth::Bearer(token.to_owned());
            client.store_auth_if_needed(registry, &token).await;
        } else {
            self.let_in_by_password(&client, image).await?;
        }
        Ok(client)
    }

    /// Puts user and password where the client finds them without asking the registry again.
    async fn let_in_by_password(
        &self,
        client: &Client,
        image: &Reference,
    ) -> Result<(), PushError> {
        let Some(files) = &self.credentials else {
            return Ok(());
        };
        let unreadable = |cause| PushError::Read {
            path: self.options.password_file.clone().unwrap_or_default(),
            cause,
        };
        let credentials = files.read().await.map_err(unreadable)?;
        let (username, password) = (
            credentials.username.expose_secret(),
            credentials.password.expose_secret(),
        );
        client
            .store_auth_if_needed(image.resolve_registry(), &RegistryAuth::Anonymous)
            .await;
        for operation in [RegistryOperation::Pull, RegistryOperation::Push] {
            let token = RegistryTokenType::Basic(username.to_owned(), password.to_owned());
            client.tokens.insert(image, operation, token).await;
        }
        Ok(())
    }

    fn config(&self) -> Result<ClientConfig, ClientError> {
        let authorities = self
            .options
            .ca_file
            .as_deref()
            .map(certificates)
            .transpose()?;
        let certificate = |der: CertificateDer<'_>| Certificate {
            encoding: CertificateEncoding::Der,
            data: der.to_vec(),
        };
        Ok(ClientConfig {
            protocol: if self.options.plain_http {
                ClientProtocol::Http
            } else {
                ClientProtocol::Https
            },
            extra_root_certificates: authorities
                .unwrap_or_default()
                .into_iter()
                .map(certificate)
                .collect(),
            use_monolithic_push: true,
            connect_timeout: Some(TIMEOUT),
            read_timeout: Some(TIMEOUT),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        })
    }
}

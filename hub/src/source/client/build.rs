//! The HTTP clients of a source.

use std::{fs, io, path::Path};

use reqwest::{Certificate, ClientBuilder, Identity, Proxy, redirect};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::resolve::PublicOnly;
use crate::source::ConnectionConfig;

/// What we call ourselves.
pub(crate) const USER_AGENT: &str = concat!("flyte-registration-hub/", env!("CARGO_PKG_VERSION"));

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The host is none.
    #[error("the registry is no host")]
    Host(#[from] url::ParseError),
    /// The file with the authorities cannot be read.
    #[error("the CA file cannot be read")]
    Read(#[source] io::Error),
    /// It holds no certificate.
    #[error("the CA file holds no certificate in PEM")]
    NoCertificate,
    /// The client certificate or its key cannot be read.
    #[error("the client certificate cannot be read")]
    ReadIdentity(#[source] io::Error),
    /// They are none, or do not belong together.
    #[error("the client certificate and its key cannot be used")]
    Identity(#[source] reqwest::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] reqwest::Error),
    /// The registry is none of ECR.
    #[error("the registry is none of ECR")]
    NoEcr,
    /// The client of AWS cannot be made.
    #[error("the proxy or the authorities cannot be used for AWS")]
    Aws,
}

/// Which proxies are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxies {
    /// The configured one, or none: what a process is started with decides nothing.
    Configured,
    /// Those of the environment, as a command of a user has it.
    Environment,
}

/// A client for each kind of host.
#[derive(Clone)]
pub(super) struct Clients {
    /// For the source's own host: it shows the client certificate.
    pub(super) own: reqwest::Client,
    /// For other hosts that the configuration names.
    pub(super) named: reqwest::Client,
    /// For all others: it connects to public addresses alone.
    pub(super) public: reqwest::Client,
}

/// The certificates of a PEM file.
pub(crate) fn certificates(ca_file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let pem = fs::read(ca_file).map_err(ClientError::Read)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    certificates
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or(ClientError::NoCertificate)
}

/// The authorities in a PEM file, as clients trust them; none where there is no file.
pub(crate) fn authorities(ca_file: Option<&Path>) -> Result<Vec<Certificate>, ClientError> {
    let certificates = ca_file.map(certificates).transpose()?.unwrap_or_default();
    let authorities = certificates.iter().map(|der| Certificate::from_der(der));
    let authorities: Result<_, _> = authorities.collect();
    authorities.map_err(ClientError::Tls)
}

/// A client certificate and its key, each in a PEM file.
pub(crate) fn identity(certificate: &Path, key: &Path) -> Result<Identity, ClientError> {
    let mut pem = fs::read(certificate).map_err(ClientError::ReadIdentity)?;
    pem.push(b'\n');
    pem.extend(fs::read(key).map_err(ClientError::ReadIdentity)?);
    Identity::from_pem(&pem).map_err(ClientError::Identity)
}

pub(super) fn clients(
    connection: &ConnectionConfig,
    proxies: Proxies,
) -> Result<Clients, ClientError> {
    let build = |builder: ClientBuilder| builder.build().map_err(ClientError::Tls);
    let named = build(builder(connection, proxies)?)?;
    let own = match (&connection.cert_file, &connection.key_file) {
        (Some(certificate), Some(key)) => {
            build(builder(connection, proxies)?.identity(identity(certificate, key)?))?
        }
        _ => named.clone(),
    };
    if proxies == Proxies::Environment {
        // Whoever runs a command asks for what it may ask for anyway, through proxies of its own.
        let public = named.clone();
        return Ok(Clients { own, named, public });
    }
    let proxy = connection.proxy.as_ref();
    let resolver = PublicOnly {
        proxy: proxy.and_then(|proxy| Some(proxy.url().host_str()?.to_owned())),
    };
    let public = build(builder(connection, proxies)?.dns_resolver(resolver))?;
    Ok(Clients { own, named, public })
}

fn builder(connection: &ConnectionConfig, proxies: Proxies) -> Result<ClientBuilder, ClientError> {
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .tls_certs_merge(authorities(connection.ca_file.as_deref())?)
        .connect_timeout(connection.timeout)
        // They are followed by hand: each target decides which client may ask it.
        .redirect(redirect::Policy::none());
    match (&connection.proxy, proxies) {
        (Some(proxy), _) => {
            Ok(builder.proxy(Proxy::all(proxy.url().clone()).map_err(ClientError::Tls)?))
        }
        (None, Proxies::Configured) => Ok(builder.no_proxy()),
        (None, Proxies::Environment) => Ok(builder),
    }
}

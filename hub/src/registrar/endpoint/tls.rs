//! TLS to FlyteAdmin. The files are read for each new connection, so that certificates may
//! be replaced while the hub runs.

use std::{fs, path::Path, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;

use super::EndpointError;
use crate::registrar::FlyteAdminConfig;

/// Whom to trust, and as whom to appear.
#[derive(Debug)]
pub(super) struct Tls {
    /// The name that FlyteAdmin's certificate must have, at whichever address it is.
    pub(super) name: ServerName<'static>,
    ca_file: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// By the configuration; `None` if there can be no certificate for `host`.
    pub(super) fn new(config: &FlyteAdminConfig, host: &str) -> Option<Self> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self {
            name: ServerName::try_from(host.to_owned()).ok()?,
            ca_file: config.ca_file.clone(),
            identity: config.cert_file.clone().zip(config.key_file.clone()),
        })
    }

    /// With the certificates of this moment.
    pub(super) fn connector(&self) -> Result<TlsConnector, EndpointError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(EndpointError::Tls)?
            .with_root_certificates(self.roots()?);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(EndpointError::Tls)?,
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, EndpointError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.ca_file {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(EndpointError::Tls)?;
            }
        } else {
            // Some of a system's certificates may be odd; the others do.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if roots.is_empty() {
            return Err(EndpointError::NoRoots);
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, EndpointError> {
    let pem = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    certificates
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| EndpointError::Pem {
            path: path.to_owned(),
        })
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, EndpointError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|_| EndpointError::Pem {
        path: path.to_owned(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, EndpointError> {
    fs::read(path).map_err(|source| EndpointError::File {
        path: path.to_owned(),
        source,
    })
}

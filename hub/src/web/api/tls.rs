//! TLS of the API, as its files have it now.

use std::{fs, io, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{VerifierBuilderError, WebPkiClientVerifier},
};
use tracing::warn;

use super::ApiConfig;

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds no certificate, or no key.
    #[error("a certificate or key is not in PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// They do not belong together, or are of an unknown kind.
    #[error("certificate and key cannot be used")]
    Unusable(#[from] rustls::Error),
    /// The authorities are none.
    #[error("the authorities of clients cannot be used")]
    Authorities(#[from] VerifierBuilderError),
}

/// See the module.
pub(super) struct Tls {
    files: Vec<PathBuf>,
    /// Whether clients may come without a certificate, as they may show a token.
    optional: bool,
    /// What the files held, and what was made from it.
    present: Mutex<(Vec<Vec<u8>>, Arc<ServerConfig>)>,
}

impl Tls {
    /// That of `config`; `None` where it has none.
    pub fn new(config: &ApiConfig) -> Result<Option<Self>, TlsError> {
        let Some(tls) = &config.tls else {
            return Ok(None);
        };
        let pair = [tls.cert_file.clone(), tls.key_file.clone()];
        let files: Vec<PathBuf> = pair
            .into_iter()
            .chain(config.client_ca_file.clone())
            .collect();
        let optional = config.token_file.is_some();
        let texts = read(&files)?;
        let made = Arc::new(make(&texts, optional)?);
        Ok(Some(Self {
            files,
            optional,
            present: Mutex::new((texts, made)),
        }))
    }

    /// For the next connection. Where the files have changed and cannot be used, as they are while
    /// somebody replaces one after the other, as before.
    pub fn present(&self) -> Arc<ServerConfig> {
        let mut present = self.present.lock();
        let renewed = read(&self.files).and_then(|texts| {
            if texts == present.0 {
                return Ok(None);
            }
            let made = make(&texts, self.optional)?;
            Ok(Some((texts, Arc::new(made))))
        });
        match renewed {
            Ok(None) => {}
            Ok(Some(renewed)) => *present = renewed,
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "the certificates of the API cannot be used; those of before are"
            ),
        }
        Arc::clone(&present.1)
    }
}

fn read(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, TlsError> {
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|source| TlsError::Read {
            path: path.clone(),
            source,
        })
    };
    files.iter().map(read).collect()
}

/// From certificate, key and, where there is one, the file with the authorities.
fn make(texts: &[Vec<u8>], optional: bool) -> Result<ServerConfig, TlsError> {
    let text = |index: usize| texts.get(index).map(Vec::as_slice).unwrap_or_default();
    let chain = certificates(text(0))?;
    let key = PrivateKeyDer::from_pem_slice(text(1)).map_err(TlsError::Pem)?;
    let builder = ServerConfig::builder();
    let builder = match texts.get(2) {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(authorities)? {
                roots.add(certificate)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
            let verifier = if optional {
                verifier.allow_unauthenticated()
            } else {
                verifier
            };
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    Ok(builder.with_single_cert(chain, key)?)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.map_err(TlsError::Pem)
}

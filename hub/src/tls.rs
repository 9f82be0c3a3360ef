//! TLS of the hub's own ports, by the files as they are now.

use std::{fs, io, path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::{
        NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
};

use crate::{config, reread::Reread};

/// What a port is served with.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    /// Names the files in the log.
    pub name: &'static str,
    pub files: config::Tls,
    /// Whether clients may come without a certificate, as they may show something else.
    pub optional: bool,
    /// What is spoken there, as ALPN names it.
    pub protocol: &'static str,
}

/// The configuration of TLS for a port as its files have it now.
#[derive(Debug)]
pub(crate) struct ServerTls {
    port: Port,
    current: Reread<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    server: Arc<ServerConfig>,
    /// Who vouches for clients. Without it, none is asked for a certificate.
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// Files that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// One is not what it should be.
    #[error("{} cannot be used", .0.display())]
    Pem(PathBuf, #[source] pem::Error),
    /// Certificate and key do not go together, or are of no kind that is known.
    #[error("certificate and key cannot be used")]
    Identity(#[source] rustls::Error),
    /// An authority is no certificate.
    #[error("an authority of clients cannot be used")]
    Authority(#[source] rustls::Error),
    /// There are no authorities.
    #[error("the authorities of clients cannot be used")]
    Authorities(#[source] VerifierBuilderError),
}

impl ServerTls {
    /// Reads the files.
    pub fn load(port: Port) -> Result<Self, TlsError> {
        let pair = [&port.files.cert_file, &port.files.key_file];
        let files = pair.into_iter().chain(&port.files.client_ca_file);
        let current = Reread::new(files.cloned().collect(), || port.load())?;
        Ok(Self { port, current })
    }

    /// Looks at the files now, for whoever knows that they changed.
    pub fn look_now(&self) {
        self.current.look_now(self.port.name, || self.port.load());
    }

    /// What a new connection is served with.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.current().server
    }

    /// Who vouches for clients.
    pub fn clients(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        self.current().clients
    }

    fn current(&self) -> Current {
        self.current.get(self.port.name, || self.port.load())
    }
}

impl Port {
    fn load(&self) -> Result<Current, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let clients = self.clients(&provider)?;
        let verifier = clients
            .clone()
            .unwrap_or_else(WebPkiClientVerifier::no_client_auth);
        let (chain, key) = (
            certificates(&self.files.cert_file)?,
            key(&self.files.key_file)?,
        );
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Identity)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(TlsError::Identity)?;
        server.alpn_protocols = vec![self.protocol.into()];
        // A resumed connection would bring a certificate along that nobody has verified again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let server = Arc::new(server);
        Ok(Current { server, clients })
    }

    fn clients(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let Some(file) = &self.files.client_ca_file else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(TlsError::Authority)?;
        }
        let mut verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
        if self.optional {
            verifier = verifier.allow_unauthenticated();
        }
        verifier.build().map(Some).map_err(TlsError::Authorities)
    }
}

fn certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = fs::read(file).map_err(|error| TlsError::Read(file.clone(), error))?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem(file.clone(), error))
}

fn key(file: &PathBuf) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = fs::read(file).map_err(|error| TlsError::Read(file.clone(), error))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| TlsError::Pem(file.clone(), error))
}

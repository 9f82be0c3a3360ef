//! TLS for agents: the hub's certificate, and theirs.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer, UnixTime,
        pem::{self, PemObject as _},
    },
    server::{
        NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
};

use crate::{
    config,
    identity::{Lifetime, Refusal},
    reread::Reread,
};

/// What the files are in the log.
const FILES: &str = "the certificates of listen.tls";

/// The configuration of TLS as the files have it now.
#[derive(Debug)]
pub struct Tls {
    files: config::Tls,
    current: Reread<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    server: Arc<ServerConfig>,
    /// Who vouches for agents. Without it, none is asked for a certificate.
    agents: Option<Arc<dyn ClientCertVerifier>>,
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
    #[error("an authority of the agents cannot be used")]
    Authority(#[source] rustls::Error),
    /// There are no authorities.
    #[error("the authorities of the agents cannot be used")]
    Authorities(#[source] VerifierBuilderError),
}

impl Tls {
    /// Reads the files.
    pub fn load(files: &config::Tls) -> Result<Self, TlsError> {
        let all = [&files.cert_file, &files.key_file];
        let all = all
            .into_iter()
            .chain(&files.client_ca_file)
            .cloned()
            .collect();
        Ok(Self {
            files: files.clone(),
            current: Reread::new(all, || Current::load(files))?,
        })
    }

    /// Looks at the files now, for whoever knows that they changed.
    pub(crate) fn look_now(&self) {
        let make = || Current::load(&self.files);
        self.current.look_now(FILES, make);
    }

    /// What a new connection is served with.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.current().server
    }

    /// Verifies an agent's certificate by the authorities of now: its connection may be old. Returns
    /// how long it is good, if it is not for all of `horizon`.
    pub(super) fn verify(
        &self,
        certificates: &[CertificateDer<'_>],
        now: Timestamp,
        horizon: Duration,
    ) -> Result<Option<Lifetime>, Refusal> {
        let untrusted = |why: String| Refusal::CertificateUntrusted(why);
        let (Some(agents), Some((leaf, chain))) =
            (self.current().agents, certificates.split_first())
        else {
            return Err(untrusted("no authorities are configured".to_owned()));
        };
        let start = now.duration_since(Timestamp::UNIX_EPOCH).unsigned_abs();
        let at = |later: Duration| {
            let at = UnixTime::since_unix_epoch(start + later);
            agents.verify_client_cert(leaf, chain, at)
        };
        at(Duration::ZERO).map_err(|error| untrusted(error.to_string()))?;
        let expires = last_second(horizon, |later| at(later).is_ok());
        Ok(expires.map(|later| Lifetime {
            issued: now,
            expires: now + later,
        }))
    }

    fn current(&self) -> Current {
        let make = || Current::load(&self.files);
        self.current.get(FILES, make)
    }
}

impl Current {
    fn load(files: &config::Tls) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let agents = files.client_ca_file.as_ref().map(|file| {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(TlsError::Authority)?;
            }
            // An agent may show a token instead: who it is, is decided later.
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .map_err(TlsError::Authorities)
        });
        let agents = agents.transpose()?;
        let verifier = agents
            .clone()
            .unwrap_or_else(WebPkiClientVerifier::no_client_auth);
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Identity)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates(&files.cert_file)?, key(&files.key_file)?)
            .map_err(TlsError::Identity)?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed connection would bring a certificate along that nobody has verified again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Self {
            server: Arc::new(server),
            agents,
        })
    }
}

/// The last second at which it holds, if it does not hold at `horizon`. It holds at the start, and
/// never again once it does not: so no certificate of the chain has to be taken apart.
fn last_second(horizon: Duration, holds: impl Fn(Duration) -> bool) -> Option<Duration> {
    if holds(horizon) {
        return None;
    }
    let (mut good, mut bad) = (0, horizon.as_secs());
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if holds(Duration::from_secs(middle)) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Some(Duration::from_secs(good))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_found() {
        let day = Duration::from_hours(24);
        for end in [0, 1, 2, 59, 3600, 86_398, 86_399] {
            let holds = |later: Duration| later.as_secs() <= end;
            assert_eq!(last_second(day, holds), Some(Duration::from_secs(end)));
        }
        assert_eq!(last_second(day, |_| true), None);
    }
}

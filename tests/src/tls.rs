//! Certificates of our own for the peers, and HTTP clients that trust them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use reqwest::{Certificate, Client};

/// A private certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Where a certificate and its key are.
pub struct Files {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority, with `name` as its common name.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
        })
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes its certificate as `ca.pem` into `dir`.
    pub fn write(&self, dir: &Path) -> Result<PathBuf> {
        let path = dir.join("ca.pem");
        fs::write(&path, self.pem())?;
        Ok(path)
    }

    /// Issues a certificate for `localhost`, `127.0.0.1` and `names`, for servers and clients, as `<name>.pem` and
    /// `<name>.key` in `dir`. The first of `names` is the common name.
    pub fn issue(&self, dir: &Path, name: &str, names: &[&str]) -> Result<Files> {
        let alternatives: Vec<_> = names
            .iter()
            .chain(&["localhost", "127.0.0.1"])
            .map(|&name| name.to_owned())
            .collect();
        let mut params = CertificateParams::new(alternatives)?;
        params
            .distinguished_name
            .push(DnType::CommonName, *names.first().unwrap_or(&name));
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let files = Files {
            certificate: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}.key")),
        };
        fs::write(
            &files.certificate,
            params.signed_by(&key, &self.issuer)?.pem(),
        )?;
        fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }
}

/// An HTTP client that trusts `authority` (PEM) alone; without one it is for plain HTTP.
pub fn client(authority: Option<&str>) -> Result<Client> {
    // The first call of the process installs it, later ones find it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = authority
        .map(|pem| Certificate::from_pem(pem.as_bytes()))
        .transpose()?;
    Ok(Client::builder()
        .tls_certs_only(certificates)
        .timeout(Duration::from_secs(30))
        .build()?)
}

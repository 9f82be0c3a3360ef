//! Which cluster a client certificate is for, by its subject alternative names.

use std::fmt;

use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use webpki::EndEntityCert;

use super::Refusal;

/// Most of a certificate's names that are shown, in bytes.
const SHOWN_MAX: usize = 256;

/// The name that a cluster's certificates have. It is compared as it stands: a wildcard in a
/// certificate is the name of nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CertificateName {
    /// A DNS name, whichever the case of its letters.
    Dns(String),
    /// A URI, as SPIFFE's `spiffe://trust-domain/path`.
    Uri(String),
}

impl CertificateName {
    /// The same for all spellings of a name.
    pub(super) fn normal(&self) -> Self {
        match self {
            Self::Dns(name) => Self::Dns(name.to_ascii_lowercase()),
            Self::Uri(uri) => Self::Uri(uri.clone()),
        }
    }

    /// Whether it is one of these.
    pub(super) fn is_among(&self, names: &Names) -> bool {
        match self {
            Self::Dns(name) => names.dns.iter().any(|it| it.eq_ignore_ascii_case(name)),
            Self::Uri(uri) => names.uris.contains(uri),
        }
    }
}

/// The names that a certificate has.
#[derive(Debug)]
pub(super) struct Names {
    dns: Vec<String>,
    uris: Vec<String>,
}

/// Reads the names of a certificate.
pub(super) fn names(leaf: &CertificateDer<'_>) -> Result<Names, Refusal> {
    let leaf = EndEntityCert::try_from(leaf).map_err(|_| Refusal::CertificateForm)?;
    Ok(Names {
        dns: leaf.valid_dns_names().map(str::to_owned).collect(),
        uris: leaf.valid_uri_names().map(str::to_owned).collect(),
    })
}

/// For the log.
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .dns
            .iter()
            .chain(&self.uris)
            .map(String::as_str)
            .collect();
        let shown = flyte_registration_crd::bounded(&names.join(", "), SHOWN_MAX);
        write!(f, "a certificate for {}", shown.escape_debug())
    }
}

//! Why a caller is not let in. The log says it; the caller is told only that it is not known.

use std::sync::Arc;

use super::source::SourceError;

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is neither a token nor a certificate.
    #[error("it shows neither a token nor a certificate")]
    Nothing,
    /// The token has not the form of one.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// The token's algorithm is not that of its key.
    #[error("the token's algorithm is not that of its key")]
    Algorithm,
    /// No cluster has this issuer.
    #[error("the token's issuer is that of no cluster")]
    Issuer,
    /// The issuer has no key of this id.
    #[error("the issuer has no key of the token's key id")]
    Key,
    /// The issuer's keys cannot be had.
    #[error("the issuer's keys cannot be had")]
    Keys(#[source] SourceError),
    /// The signature is not by this key.
    #[error("the token's signature is not by its issuer's key")]
    Signature,
    /// It is the token of another account.
    #[error("the token's subject is not the agent's service account")]
    Subject,
    /// It was issued for another audience.
    #[error("the token is for another audience")]
    Audience,
    /// It is too old.
    #[error("the token has expired")]
    Expired,
    /// It is too young.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Two clusters would do.
    #[error("more than one cluster has what it shows")]
    Ambiguous,
    /// The certificate cannot be read.
    #[error("the certificate cannot be read")]
    CertificateForm,
    /// The certificate is not by an authority that the hub trusts, or not valid now.
    #[error("the certificate is not trusted: {0}")]
    CertificateUntrusted(String),
    /// No cluster has a name of the certificate.
    #[error("the certificate's names are those of no cluster")]
    CertificateName,
    /// Token and certificate are those of different clusters.
    #[error("the token is that of {token}, the certificate that of {certificate}")]
    Disagree {
        /// The token's cluster.
        token: Arc<str>,
        /// The certificate's.
        certificate: Arc<str>,
    },
}

impl Refusal {
    /// In one word, for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing_shown",
            Self::Malformed(_) => "malformed",
            Self::Algorithm => "algorithm",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Keys(_) => "keys_unavailable",
            Self::Signature => "signature",
            Self::Subject => "subject",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Ambiguous => "ambiguous",
            Self::CertificateForm => "certificate_form",
            Self::CertificateUntrusted(_) => "certificate_untrusted",
            Self::CertificateName => "certificate_name",
            Self::Disagree { .. } => "disagree",
        }
    }

    /// Whether it says nothing about the caller: the hub could not find out.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Keys(_))
    }

    /// Of two clusters that do not take a token, the one that came further with it says more.
    pub(super) fn or(self, other: Self) -> Self {
        let way = |refusal: &Self| match refusal {
            Self::Issuer => 0,
            Self::Key => 1,
            Self::Keys(_) => 2,
            _ => 3,
        };
        if way(&other) > way(&self) {
            other
        } else {
            self
        }
    }
}

/// A refusal, with what the caller claims to be. Nobody has verified that.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// Why.
    #[source]
    pub why: Refusal,
    /// For the log: bounded, without control characters.
    pub claimed: Option<String>,
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        Self { why, claimed: None }
    }
}

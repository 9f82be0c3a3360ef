//! Who is calling: the cluster that a service account's token or a client certificate stands for.
//!
//! A token is verified with the keys of the cluster that issued it, and a certificate by TLS
//! before it comes here. Both are mapped to a cluster by the configuration alone: by issuer and
//! subject, and by a name in the certificate. Nothing that an agent says counts.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};

mod certificate;
mod claims;
mod config;
mod keys;
mod refusal;
mod source;
mod token;

pub use certificate::CertificateName;
pub use claims::{Claims, Lifetime, Rules};
pub(crate) use config::UID_MAX;
pub use config::{ClusterConfig, HttpsUrl, TokenConfig};
pub use keys::{Keys, KeysError};
pub use refusal::{Refusal, Refused};
pub use source::SourceError;
pub use token::{Token, verify};

use source::KeySource;

/// What a caller shows.
#[derive(Clone, Debug, Default)]
pub struct Presented {
    /// A bearer token.
    pub token: Option<SecretString>,
    /// The certificate of its connection, and what it came with, leaf first. TLS has verified it.
    pub certificates: Option<Arc<Vec<CertificateDer<'static>>>>,
}

/// Who a caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its cluster, as the configuration names it.
    pub cluster: Arc<str>,
    /// By what it is known.
    pub how: How,
    /// When its token was issued and when it expires, if it has one.
    pub lifetime: Option<Lifetime>,
}

/// By what a caller is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The token of a service account.
    Token,
    /// A client certificate.
    Certificate,
    /// Both, which agree.
    Both,
}

impl How {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Both => "token and certificate",
        }
    }
}

/// All clusters whose agents may connect.
#[derive(Debug, Default)]
pub struct Identities {
    clusters: BTreeMap<Arc<str>, Arc<Cluster>>,
}

/// A cluster, with its keys.
#[derive(Debug)]
struct Cluster {
    config: ClusterConfig,
    /// Rules and keys of its tokens.
    token: Option<(Rules, KeySource)>,
}

impl Identities {
    /// The clusters of a configuration, which has been checked. Keys that `before` has fetched from
    /// elsewhere are kept where nothing has changed; files are read anew.
    pub fn new(config: &BTreeMap<String, ClusterConfig>, before: Option<&Self>) -> Self {
        let cluster = |(name, config): (&String, &ClusterConfig)| {
            let same = before
                .and_then(|before| before.clusters.get(name.as_str()))
                .filter(|cluster| cluster.config == *config && config.key_file().is_none());
            let cluster = same.map_or_else(|| Arc::new(Cluster::new(config)), Arc::clone);
            (Arc::from(name.as_str()), cluster)
        };
        Self {
            clusters: config.iter().map(cluster).collect(),
        }
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.clusters.keys()
    }

    /// The uid of kube-system that the configuration demands of a cluster.
    pub fn uid(&self, cluster: &str) -> Option<&str> {
        self.clusters.get(cluster)?.config.uid.as_deref()
    }

    /// The one cluster that all of what is presented stands for at `now`.
    pub async fn authenticate(
        &self,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Identity, Refused> {
        let token = match &presented.token {
            Some(token) => Some(self.of_token(token.expose_secret(), now).await?),
            None => None,
        };
        let certificate = match presented.certificates.as_deref().and_then(|it| it.first()) {
            Some(leaf) => Some(self.of_certificate(leaf)?),
            None => None,
        };
        match (token, certificate) {
            (None, None) => Err(Refusal::Nothing.into()),
            (None, Some(cluster)) => Ok(Identity {
                cluster,
                how: How::Certificate,
                lifetime: None,
            }),
            (Some((cluster, lifetime)), None) => Ok(Identity {
                cluster,
                how: How::Token,
                lifetime: Some(lifetime),
            }),
            (Some((cluster, lifetime)), Some(same)) if cluster == same => Ok(Identity {
                cluster,
                how: How::Both,
                lifetime: Some(lifetime),
            }),
            (Some((token, _)), Some(certificate)) => {
                Err(Refusal::Disagree { token, certificate }.into())
            }
        }
    }

    /// The cluster whose keys verify the token. What it claims decides only whose keys are tried.
    async fn of_token(&self, text: &str, now: Timestamp) -> Result<(Arc<str>, Lifetime), Refused> {
        let token = Token::parse(text)?;
        let refused = |why| Refused {
            why,
            claimed: Some(token.claims.to_string()),
        };
        let issuer = &token.claims.issuer;
        let candidates: Vec<_> = self
            .clusters
            .iter()
            .filter_map(|(name, cluster)| Some((name, cluster.token.as_ref()?)))
            .filter(|(_, (rules, _))| rules.issuer == *issuer)
            .collect();
        // Clusters may share an issuer: `https://kubernetes.default.svc` is that of many.
        let mut found = Err(Refusal::Issuer);
        for (name, (rules, source)) in candidates {
            let verified = match source.keys(&token.key_id).await {
                Ok(keys) => verify(&token, &keys, rules, now),
                Err(error) => Err(Refusal::Keys(error)),
            };
            found = match (found, verified) {
                (Ok(_), Ok(_)) => return Err(refused(Refusal::Ambiguous)),
                (Ok(found), Err(_)) => Ok(found),
                (Err(_), Ok(lifetime)) => Ok((Arc::clone(name), lifetime)),
                (Err(one), Err(other)) => Err(one.or(other)),
            };
        }
        found.map_err(refused)
    }

    fn of_certificate(&self, leaf: &CertificateDer<'_>) -> Result<Arc<str>, Refused> {
        let names = certificate::names(leaf)?;
        let has = |cluster: &Cluster| {
            let wanted = cluster.config.certificate.as_ref();
            wanted.is_some_and(|wanted| wanted.is_among(&names))
        };
        let mut clusters = self.clusters.iter().filter(|(_, cluster)| has(cluster));
        let why = match (clusters.next(), clusters.next()) {
            (Some((cluster, _)), None) => return Ok(Arc::clone(cluster)),
            (Some(_), Some(_)) => Refusal::Ambiguous,
            (None, _) => Refusal::CertificateName,
        };
        Err(Refused {
            why,
            claimed: Some(names.to_string()),
        })
    }
}

impl Cluster {
    fn new(config: &ClusterConfig) -> Self {
        let token = config
            .token
            .as_ref()
            .map(|token| (token.rules(), KeySource::new(token)));
        Self {
            config: config.clone(),
            token,
        }
    }
}

#[cfg(test)]
mod tests;

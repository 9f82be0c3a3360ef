//! The clusters of the configuration.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::{CertificateName, Keys, Rules};

/// The audience of tokens where the configuration names none.
const AUDIENCE: &str = "flyte-registration-hub";
/// Kubernetes' uids have 36 characters.
pub(crate) const UID_MAX: usize = 128;

/// A cluster whose agent may connect: with a token, with a certificate, or with either.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ClusterConfig {
    /// The tokens of its agent's service account.
    pub token: Option<TokenConfig>,
    /// The name that the certificates of its agent have. Wants `listen.tls.clientCaFile`.
    pub certificate: Option<CertificateName>,
    /// uid of its namespace kube-system. Without it, that of the first session is kept.
    pub uid: Option<String>,
}

/// The tokens of a cluster's service accounts, as its API server issues them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenConfig {
    /// The API server's `--service-account-issuer`.
    pub issuer: String,
    /// The agent's service account: `system:serviceaccount:<namespace>:<name>`.
    pub subject: String,
    /// The audience that the tokens are bound to.
    #[serde(default = "audience")]
    pub audience: String,
    /// The issuer's keys, as its API server serves them at `/openid/v1/jwks`. One of this and the
    /// next two; without any, they are discovered from the issuer.
    pub jwks: Option<Keys>,
    /// A file with them. Read again when it changes.
    pub jwks_file: Option<PathBuf>,
    /// Where they are served.
    pub jwks_url: Option<HttpsUrl>,
    /// PEM file with the authorities to trust at the issuer instead of the system's.
    pub ca_file: Option<PathBuf>,
}

fn audience() -> String {
    AUDIENCE.to_owned()
}

impl TokenConfig {
    pub(super) fn rules(&self) -> Rules {
        Rules {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            audience: self.audience.clone(),
        }
    }

    /// Whether tokens of the one would be verified by the keys of the other.
    fn has_keys_of(&self, other: &Self) -> bool {
        let keys = |it: &Self| (it.jwks.clone(), it.jwks_file.clone(), it.jwks_url.clone());
        self.issuer == other.issuer && keys(self) == keys(other)
    }

    fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let keys = [
            self.jwks.is_some(),
            self.jwks_file.is_some(),
            self.jwks_url.is_some(),
        ];
        let given = keys.into_iter().filter(|given| *given).count();
        let remote = self.jwks.is_none() && self.jwks_file.is_none();
        let discovered = given == 0;
        let rules = [
            (
                self.issuer.is_empty() || self.audience.is_empty(),
                "token",
                "issuer and audience must not be empty",
            ),
            (
                !is_service_account(&self.subject),
                "token.subject",
                "must be system:serviceaccount:<namespace>:<name>",
            ),
            (
                given > 1,
                "token",
                "only one of jwks, jwksFile and jwksUrl may be set",
            ),
            (
                discovered && !is_issuer(&self.issuer),
                "token.issuer",
                "must be an https URL without query for its keys to be discovered; otherwise set jwks, jwksFile or jwksUrl",
            ),
            (
                !remote && self.ca_file.is_some(),
                "token.caFile",
                "is for keys that are fetched",
            ),
        ];
        rules
            .into_iter()
            .filter_map(|(wrong, key, message)| wrong.then_some((key, message)))
            .collect()
    }
}

impl ClusterConfig {
    /// The file with the keys of its tokens, where they are in one.
    pub(crate) fn key_file(&self) -> Option<&PathBuf> {
        self.token.as_ref()?.jwks_file.as_ref()
    }

    /// What is wrong with it: keys below it, and messages.
    pub(crate) fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let mut problems = self
            .token
            .as_ref()
            .map_or_else(Vec::new, TokenConfig::problems);
        if self.token.is_none() && self.certificate.is_none() {
            problems.push(("token", "or certificate must be set: nobody could connect"));
        }
        let bad = |uid: &String| uid.is_empty() || uid.len() > UID_MAX;
        if self.uid.as_ref().is_some_and(bad) {
            problems.push(("uid", "must be the uid of a namespace"));
        }
        problems
    }

    /// Why a caller could be taken for either of the two: keys below it, and what they share.
    pub(crate) fn clashes(&self, other: &Self) -> Vec<(&'static str, &'static str)> {
        let mut clashes = Vec::new();
        if let (Some(one), Some(other)) = (&self.token, &other.token)
            && one.has_keys_of(other)
        {
            clashes.push(("token", "has the issuer and the keys of"));
        }
        if let (Some(one), Some(other)) = (&self.certificate, &other.certificate)
            && one.normal() == other.normal()
        {
            clashes.push(("certificate", "has the name of"));
        }
        if self.uid.is_some() && self.uid == other.uid {
            clashes.push(("uid", "is that of"));
        }
        clashes
    }
}

fn is_service_account(subject: &str) -> bool {
    let account = subject.strip_prefix("system:serviceaccount:");
    let names = account.and_then(|account| account.split_once(':'));
    let is_name = |name: &str| {
        let fine =
            |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-' || it == b'.';
        !name.is_empty() && name.len() <= 253 && name.bytes().all(fine)
    };
    names.is_some_and(|(namespace, name)| is_name(namespace) && is_name(name))
}

fn is_issuer(issuer: &str) -> bool {
    let url = HttpsUrl::try_from(issuer.to_owned());
    url.is_ok_and(|HttpsUrl(url)| url.query().is_none() && url.fragment().is_none())
}

/// A URL whose content TLS vouches for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpsUrl(pub(super) Url);

impl TryFrom<String> for HttpsUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url = Url::parse(&text).map_err(|_| "it is no URL")?;
        let anonymous = url.username().is_empty() && url.password().is_none();
        if url.scheme() == "https" && url.has_host() && anonymous {
            Ok(Self(url))
        } else {
            Err("must be an https URL without user")
        }
    }
}

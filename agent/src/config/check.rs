//! What the configuration's form alone does not say.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use http::{Uri, uri::Scheme};
use tracing_subscriber::EnvFilter;

use super::Config;

/// A value that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its key, as in `hub.endpoint`.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// All of them, a line each.
pub(super) fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl Config {
    /// Every value that cannot be right.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut require = |good: bool, key: &str, message: String| {
            if !good {
                problems.push(Problem {
                    key: key.to_owned(),
                    message,
                });
            }
        };
        if let Err(message) = self.endpoint() {
            require(false, "hub.endpoint", message);
        }
        let certificate = (self.hub.cert_file.is_some(), self.hub.key_file.is_some());
        require(
            certificate.0 == certificate.1,
            "hub.certFile",
            "goes with hub.keyFile".to_owned(),
        );
        require(
            !certificate.0 || self.hub.endpoint.starts_with("https://"),
            "hub.certFile",
            "is for https:// alone".to_owned(),
        );
        let names: BTreeSet<&String> = self.namespaces.iter().collect();
        require(
            names.len() == self.namespaces.len(),
            "namespaces",
            "a namespace is listed twice".to_owned(),
        );
        for name in names {
            require(
                is_label(name),
                "namespaces",
                format!("{name:?} is no name of a namespace"),
            );
        }
        if let Some(name) = &self.lease.namespace {
            require(
                is_label(name),
                "lease.namespace",
                format!("{name:?} is no name of a namespace"),
            );
        }
        require(
            is_name(&self.lease.name),
            "lease.name",
            format!("{:?} is no name of a Lease", self.lease.name),
        );
        let level = &self.log.level;
        require(
            EnvFilter::try_new(level).is_ok(),
            "log.level",
            format!("{level:?} is no filter"),
        );
        let identity = self.lease.identity.as_deref();
        require(
            identity != Some(""),
            "lease.identity",
            "must not be empty".to_owned(),
        );
        problems
    }

    fn endpoint(&self) -> Result<(), String> {
        let endpoint = &self.hub.endpoint;
        let uri: Uri = endpoint
            .parse()
            .map_err(|_| format!("{endpoint:?} is no URL"))?;
        let host = uri.host().ok_or("must be https://host:port")?;
        if uri.path() != "/"
            || uri.query().is_some()
            || uri.authority().is_some_and(|it| it.as_str().contains('@'))
        {
            return Err("must be https://host:port and nothing more".to_owned());
        }
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => Ok(()),
            Some(scheme) if *scheme == Scheme::HTTP && (self.hub.insecure || is_loopback(host)) => {
                Ok(())
            }
            Some(scheme) if *scheme == Scheme::HTTP => {
                Err("http:// is allowed to loopback only, or with hub.insecure".to_owned())
            }
            _ => Err("must begin with https://".to_owned()),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

fn is_label(name: &str) -> bool {
    name.len() <= 63 && !name.contains('.') && is_name(name)
}

/// A DNS subdomain, as names in Kubernetes are.
fn is_name(name: &str) -> bool {
    let fine = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-' || it == '.';
    let edge = |it: &char| it.is_ascii_alphanumeric();
    name.len() <= 253
        && name.chars().all(fine)
        && name.chars().next().as_ref().is_some_and(edge)
        && name.chars().last().as_ref().is_some_and(edge)
}

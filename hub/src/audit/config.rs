//! Configuration of the audit: `audit` in `config/hub.yaml`.

use std::{fmt, path::PathBuf, time::Duration};

use serde::Deserialize;
use url::{Host, Url};

use crate::{config::duration, source::size};

/// Smallest bound of the store, in bytes: one large event.
const SIZE_MIN: u64 = 64 << 10;
const BATCH_MAX: u32 = 1000;

/// What becomes of events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Whether events go to standard output, one a line.
    pub stdout: bool,
    /// The `source` of all events: with their id it tells them from those of other hubs.
    pub source: String,
    /// Most bytes of events on disk. Delivered ones make room, oldest first; when the others take
    /// all of it, nothing is registered.
    #[serde(with = "size")]
    pub max_size: u64,
    /// How long delivered events are kept as history.
    #[serde(with = "duration")]
    pub max_age: Duration,
    /// Where events are posted.
    pub webhook: Option<WebhookConfig>,
}

/// A server that events are posted to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where.
    pub url: WebhookUrl,
    /// File with a bearer token to show. Read for each request.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// File with the secret that requests are signed with. Read for each request.
    #[serde(default)]
    pub signing_secret_file: Option<PathBuf>,
    /// PEM file with the authorities to trust besides the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Most events of a request.
    #[serde(default = "batch")]
    pub batch: u32,
    /// How long the server may take to answer.
    #[serde(default = "timeout", with = "duration")]
    pub timeout: Duration,
    /// Longest delay before a repetition, unless the server asks for a longer one.
    #[serde(default = "retry_max", with = "duration")]
    pub retry_max: Duration,
}

fn batch() -> u32 {
    100
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

fn retry_max() -> Duration {
    Duration::from_mins(1)
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            stdout: true,
            source: "/flyte-registration-hub".to_owned(),
            max_size: 1 << 30,
            max_age: Duration::from_hours(90 * 24),
            webhook: None,
        }
    }
}

impl AuditConfig {
    /// What is wrong with it, by key.
    pub fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let webhook = self.webhook.as_ref();
        let wrong = |check: fn(&WebhookConfig) -> bool| webhook.is_some_and(check);
        let checks = [
            (
                self.source.is_empty() || self.source.contains(char::is_whitespace),
                "source",
                "must be a URI reference",
            ),
            (self.max_size < SIZE_MIN, "maxSize", "must be at least 64Ki"),
            (self.max_age.is_zero(), "maxAge", "must be more than 0"),
            (
                wrong(|webhook| {
                    webhook.token_file.is_some() == webhook.signing_secret_file.is_some()
                }),
                "webhook",
                "must have either tokenFile or signingSecretFile",
            ),
            (
                wrong(|webhook| !(1..=BATCH_MAX).contains(&webhook.batch)),
                "webhook.batch",
                "must be 1 to 1000",
            ),
            (
                wrong(|webhook| webhook.timeout.is_zero()),
                "webhook.timeout",
                "must be more than 0",
            ),
            (
                wrong(|webhook| webhook.retry_max < Duration::from_secs(1)),
                "webhook.retryMax",
                "must be at least 1s",
            ),
        ];
        let wrong = checks.into_iter().filter(|(wrong, ..)| *wrong);
        wrong.map(|(_, key, message)| (key, message)).collect()
    }
}

/// `https://host[:port][/path]`; http to a loopback address alone, as events must not be read nor
/// forged on their way.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const MESSAGE: &str = "must be https://host[:port][/path], without a user, a query or a \
                               fragment; http to a loopback address alone";
        let url = Url::parse(&text).map_err(|_| MESSAGE)?;
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            _ => false,
        };
        let plain = url.host().is_some()
            && (url.scheme() == "https" || url.scheme() == "http" && loopback)
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if plain { Ok(Self(url)) } else { Err(MESSAGE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_where_nobody_reads_along() {
        for good in [
            "https://siem.example/hub/",
            "http://127.0.0.1:8080/",
            "http://[::1]/a",
        ] {
            WebhookUrl::try_from(good.to_owned()).unwrap();
        }
        for bad in [
            "http://siem.example/",
            "https://user:secret@siem.example/",
            "https://siem.example/?token=secret",
            "ftp://siem.example/",
            "siem.example",
        ] {
            assert!(WebhookUrl::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}

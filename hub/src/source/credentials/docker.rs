//! Docker's `config.json`, as `kubernetes.io/dockerconfigjson` secrets hold it.
//!
//! A key is a host with or without a path, a scheme or the `/v1/` of old; of those that name the
//! registry the one with the longest path that leads to the repository counts. Credential helpers
//! are programs to run, and identity tokens need another exchange: the hub does neither.

use std::{collections::BTreeMap, fmt, io};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Credentials, Secret};

/// The names that Docker Hub goes by.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Credentials by `host[:port][/path]`.
#[derive(Clone, PartialEq)]
pub(crate) struct DockerConfig(BTreeMap<String, Secret>);

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// `user:password` in Base64. Wins over the two below, as with Docker.
    auth: Option<SecretString>,
    username: Option<SecretString>,
    password: Option<SecretString>,
    registrytoken: Option<SecretString>,
}

impl DockerConfig {
    /// Reads `text`. Errors quote nothing of it.
    pub(super) fn parse(text: &SecretString) -> io::Result<Self> {
        let invalid = |message: &'static str| io::Error::new(io::ErrorKind::InvalidData, message);
        let file: File = serde_json::from_str(text.expose_secret())
            .map_err(|_| invalid("no Docker configuration with auths"))?;
        let mut by_path = BTreeMap::new();
        for (key, entry) in file.auths {
            if let Some(secret) = entry.secret().map_err(invalid)? {
                by_path.insert(place(&key), secret);
            }
        }
        Ok(Self(by_path))
    }

    pub(super) fn secret(&self, registry: &str, repository: &str) -> Option<&Secret> {
        let mut place = format!("{}/{repository}", known(registry));
        loop {
            if let Some(secret) = self.0.get(&place) {
                return Some(secret);
            }
            place.truncate(place.rfind('/')?);
        }
    }
}

impl Entry {
    /// `None` where the secrets are elsewhere (`credsStore`), or of a kind that the hub cannot use.
    fn secret(self) -> Result<Option<Secret>, &'static str> {
        const BAD: &str = "an auth that is not user:password in Base64";
        if let Some(token) = self.registrytoken {
            return Ok(Some(Secret::Token(token)));
        }
        let pair = match self.auth.filter(|auth| !auth.expose_secret().is_empty()) {
            None => self.username.zip(self.password),
            Some(auth) => {
                let bytes = STANDARD
                    .decode(auth.expose_secret().trim())
                    .map_err(|_| BAD)?;
                let text = SecretString::from(String::from_utf8(bytes).map_err(|_| BAD)?);
                let (user, password) = text.expose_secret().split_once(':').ok_or(BAD)?;
                // Docker pads with zeros.
                Some((user.into(), password.trim_end_matches('\0').into()))
            }
        };
        Ok(pair.map(|(username, password)| Secret::Password(Credentials { username, password })))
    }
}

/// The key without what does not count.
fn place(key: &str) -> String {
    let key = key
        .strip_prefix("https://")
        .or(key.strip_prefix("http://"))
        .unwrap_or(key);
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let path = format!("{path}/");
    let path = path
        .strip_prefix("v1/")
        .or(path.strip_prefix("v2/"))
        .unwrap_or(&path);
    let host = host.to_ascii_lowercase();
    format!("{}/{path}", known(&host))
        .trim_end_matches('/')
        .to_owned()
}

fn known(registry: &str) -> &str {
    if DOCKER_HUB.contains(&registry) {
        DOCKER_HUB[0]
    } else {
        registry
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &serde_json::Value) -> io::Result<DockerConfig> {
        DockerConfig::parse(&value.to_string().into())
    }

    fn user(config: &DockerConfig, registry: &str, repository: &str) -> Option<String> {
        match config.secret(registry, repository)? {
            Secret::Password(pair) => Some(pair.username.expose_secret().to_owned()),
            Secret::Token(_) => None,
        }
    }

    /// The key with the number n belongs to the user `un`.
    fn named(keys: &[&str]) -> DockerConfig {
        let entry = |(number, key): (usize, &&str)| {
            let auth = STANDARD.encode(format!("u{number}:secret"));
            ((*key).to_owned(), json!({"auth": auth}))
        };
        let auths: serde_json::Map<_, _> = keys.iter().enumerate().map(entry).collect();
        parse(&json!({"auths": auths})).unwrap()
    }

    #[test]
    fn docker_config_matches_by_host_and_longest_path() {
        let config = named(&[
            "host:5000",
            "host:5000/team",
            "https://host:5000/team/private",
            "other/v2",
        ]);
        let user = |registry, repository| user(&config, registry, repository);
        assert_eq!(user("host:5000", "x/y").as_deref(), Some("u0"));
        assert_eq!(user("host:5000", "team/y").as_deref(), Some("u1"));
        assert_eq!(user("host:5000", "team").as_deref(), Some("u1"));
        assert_eq!(user("host:5000", "teammate/y").as_deref(), Some("u0"));
        assert_eq!(user("host:5000", "team/private/y").as_deref(), Some("u2"));
        assert_eq!(user("host", "team/y"), None);
        assert_eq!(user("evil.host:5000", "team/y"), None);
        assert_eq!(user("other", "x").as_deref(), Some("u3"));
    }

    #[test]
    fn docker_config_knows_the_names_of_docker_hub() {
        for key in [
            "https://index.docker.io/v1/",
            "docker.io",
            "Registry-1.docker.io",
        ] {
            let config = named(&[key]);
            for registry in DOCKER_HUB {
                assert!(
                    user(&config, registry, "a/b").is_some(),
                    "{key} for {registry}"
                );
            }
        }
    }

    #[test]
    fn docker_config_entries_of_every_form() {
        let config = parse(&json!({"auths": {
            "plain": {"username": "u", "password": "p:q"},
            "token": {"registrytoken": "t"},
            "encoded": {"auth": STANDARD.encode("u:p:q\0\0"), "email": "x"},
            "empty": {"auth": ""},
            "helper": {},
        }, "credsStore": "desktop"}))
        .unwrap();
        for host in ["plain", "encoded"] {
            let Some(Secret::Password(pair)) = config.secret(host, "a") else {
                panic!("{host}")
            };
            assert_eq!(pair.username.expose_secret(), "u");
            assert_eq!(pair.password.expose_secret(), "p:q");
        }
        assert!(matches!(
            config.secret("token", "a"),
            Some(Secret::Token(_))
        ));
        assert!(config.secret("empty", "a").is_none() && config.secret("helper", "a").is_none());
    }

    #[test]
    fn docker_config_errors_quote_nothing() {
        for bad in [
            json!({"auths": {"h": {"auth": "bad secret"}}}),
            json!({"auths": {"h": {"auth": STANDARD.encode("secret")}}}),
            json!({"auths": {"h": "secret"}}),
            json!("secret"),
        ] {
            let error = parse(&bad).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        let config = named(&["host"]);
        assert_eq!(format!("{config:?}"), "{\"host\"}");
    }
}

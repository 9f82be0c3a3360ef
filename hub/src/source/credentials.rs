//! Credentials, a source's or FlyteAdmin's, from files that may change at any time.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flyte_registration_crd::Reason;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::{config::CredentialsConfig, ecr::Ecr, error::Failure};
use crate::bounded;

mod docker;

use docker::DockerConfig;

/// Longest user or password. Access tokens may be several KiB long.
const LENGTH_MAX: u64 = 64 * 1024;
/// Longest Docker configuration: as much as a Kubernetes secret holds.
const DOCKER_CONFIG_MAX: u64 = 1 << 20;

/// What one request shows.
#[derive(Clone, Debug)]
pub(crate) enum Secret {
    /// A user and a password, for basic authentication or a token service.
    Password(Credentials),
    /// A token, shown as it is.
    Token(SecretString),
}

/// All that a source may show.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// The same everywhere.
    One(Secret),
    /// Depending on registry and repository.
    ByPath(DockerConfig),
}

/// Where a source's credentials come from.
#[derive(Clone, Debug)]
pub(crate) enum Provider {
    /// Files with a user and a password.
    Password(CredentialFiles),
    /// A file with a token.
    Token(PathBuf),
    /// A file as Docker has it.
    DockerConfig(PathBuf),
    /// AWS, for a registry of ECR.
    Ecr(Arc<Ecr>),
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Password(one), Self::Password(other)) => one == other,
            (Self::Token(one), Self::Token(other)) => one.expose_secret() == other.expose_secret(),
            _ => false,
        }
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(one), Self::One(other)) => one == other,
            (Self::ByPath(one), Self::ByPath(other)) => one == other,
            _ => false,
        }
    }
}

impl Credentials {
    /// `Authorization` for basic authentication.
    pub(crate) fn basic(&self) -> Result<HeaderValue, Failure> {
        let (user, password) = (self.username.expose_secret(), self.password.expose_secret());
        let pair = STANDARD.encode(format!("{user}:{password}"));
        sensitive(&format!("Basic {pair}"))
    }
}

impl Secret {
    /// `Authorization`.
    pub(crate) fn header(&self) -> Result<HeaderValue, Failure> {
        match self {
            Self::Password(credentials) => credentials.basic(),
            Self::Token(token) => sensitive(&format!("Bearer {}", token.expose_secret())),
        }
    }
}

/// A header that is shown nowhere but on the wire.
fn sensitive(text: &str) -> Result<HeaderValue, Failure> {
    let mut header = HeaderValue::from_str(text).map_err(|_| {
        let message = "the token cannot stand in a header";
        Failure::new(Reason::SourceUnauthorized, message)
    })?;
    header.set_sensitive(true);
    Ok(header)
}

impl Held {
    /// What is shown for `repository` on `registry` (`host[:port]`).
    pub(crate) fn secret(&self, registry: &str, repository: &str) -> Option<&Secret> {
        match self {
            Self::One(secret) => Some(secret),
            Self::ByPath(config) => config.secret(registry, repository),
        }
    }
}

impl Provider {
    /// That of a source; `None` for anonymous access.
    pub(super) fn of(config: &CredentialsConfig) -> Option<Self> {
        if let Some(file) = &config.token_file {
            return Some(Self::Token(file.clone()));
        }
        if let Some(file) = &config.docker_config_file {
            return Some(Self::DockerConfig(file.clone()));
        }
        let (user, user_file) = (config.username.as_deref(), config.username_file.as_deref());
        (user.is_some() || user_file.is_some()).then_some(())?;
        let password = config.password_file.as_deref()?;
        Some(Self::Password(CredentialFiles::either(
            user, user_file, password,
        )))
    }

    /// What it holds now. The files are small and in memory (secret volumes are), so that they are
    /// read at each use and no change is missed.
    pub(crate) async fn read(&self) -> Result<Held, Failure> {
        let held = match self {
            Self::Ecr(ecr) => return Ok(Held::One(Secret::Password(ecr.credentials().await?))),
            Self::Password(files) => files.read().await.map(Secret::Password).map(Held::One),
            Self::Token(file) => read(file, LENGTH_MAX)
                .await
                .map(Secret::Token)
                .map(Held::One),
            Self::DockerConfig(file) => read(file, DOCKER_CONFIG_MAX)
                .await
                .and_then(|text| DockerConfig::parse(&text))
                .map(Held::ByPath),
        };
        held.map_err(|error| {
            let message = "the hub cannot read the source's credentials";
            Failure::new(Reason::SourceUnauthorized, message).because(error)
        })
    }

    /// Takes note that a registry has refused what it gave. Whether it will give something else.
    pub(crate) fn refused(&self, held: &Held) -> bool {
        match (self, held) {
            (Self::Ecr(ecr), Held::One(Secret::Password(credentials))) => ecr.forget(credentials),
            _ => false,
        }
    }
}

/// A user and a password.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) username: SecretString,
    pub(crate) password: SecretString,
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.username.expose_secret() == other.username.expose_secret()
            && self.password.expose_secret() == other.password.expose_secret()
    }
}

/// Where the credentials are.
#[derive(Clone, Debug)]
pub(crate) struct CredentialFiles {
    username: Username,
    password: PathBuf,
}

#[derive(Clone, Debug)]
enum Username {
    Given(SecretString),
    File(PathBuf),
}

impl CredentialFiles {
    /// A user given or in a file, and the password in a file.
    pub(crate) fn either(
        username: Option<&str>,
        username_file: Option<&Path>,
        password_file: &Path,
    ) -> Self {
        let given = || Username::Given(username.unwrap_or_default().into());
        Self {
            username: username_file.map_or_else(given, |file| Username::File(file.to_owned())),
            password: password_file.to_owned(),
        }
    }

    /// A given user with the password in a file.
    pub(crate) fn new(username: String, password_file: PathBuf) -> Self {
        Self {
            username: Username::Given(username.into()),
            password: password_file,
        }
    }

    /// Reads them. The files are small and in memory (secret volumes are), so that this is done at
    /// each use and no change is missed.
    pub(crate) async fn read(&self) -> io::Result<Credentials> {
        let username = match &self.username {
            Username::Given(name) => name.clone(),
            Username::File(file) => read(file, LENGTH_MAX).await?,
        };
        Ok(Credentials {
            username,
            password: read(&self.password, LENGTH_MAX).await?,
        })
    }
}

async fn read(path: &Path, max: u64) -> io::Result<SecretString> {
    // What is no text is not quoted.
    let mut text = String::from_utf8(bounded::read(path, max).await?)
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_changed_file_is_read_again_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let files = CredentialFiles::new("user".to_owned(), file.clone());
        std::fs::write(&file, "one\n").unwrap();
        let one = files.read().await.unwrap();
        assert_eq!(one.password.expose_secret(), "one");
        std::fs::write(&file, "two words ").unwrap();
        let two = files.read().await.unwrap();
        assert_eq!(two.password.expose_secret(), "two words ");
        assert!(one != two);
        assert!(!format!("{two:?}").contains("two words"));
    }

    #[tokio::test]
    async fn a_huge_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        std::fs::write(&file, "x".repeat(100_000)).unwrap();
        assert!(
            CredentialFiles::new("user".to_owned(), file)
                .read()
                .await
                .is_err()
        );
    }
}

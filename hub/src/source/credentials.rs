//! Credentials, a source's or FlyteAdmin's, from files that may change at any time.

use std::{
    io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncReadExt as _;

use super::OciConfig;

/// Longest user or password. Access tokens may be several KiB long.
const LENGTH_MAX: u64 = 64 * 1024;

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
    /// Those of a source; `None` for anonymous access.
    pub(super) fn of(config: &OciConfig) -> Option<Self> {
        let username = match (&config.username, &config.username_file) {
            (_, Some(file)) => Username::File(file.clone()),
            (Some(name), None) => Username::Given(name.clone().into()),
            (None, None) => return None,
        };
        Some(Self {
            username,
            password: config.password_file.clone()?,
        })
    }

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
            Username::File(file) => read(file).await?,
        };
        Ok(Credentials {
            username,
            password: read(&self.password).await?,
        })
    }
}

async fn read(path: &PathBuf) -> io::Result<SecretString> {
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(LENGTH_MAX + 1).read_to_string(&mut text).await?;
    if text.len() as u64 > LENGTH_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
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

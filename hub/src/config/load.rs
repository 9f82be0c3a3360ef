//! From files and the environment to the configuration.

use std::{collections::BTreeMap, path::PathBuf};

use figment::{
    Figment,
    providers::{Format as _, Yaml},
};
use sha2::{Digest as _, Sha256};

use super::{
    Config, ENVIRONMENT_PREFIX,
    check::{self, Problem},
    environment,
};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read, or a value has the wrong form. Names file and key.
    #[error("{}", .0.join("\n"))]
    Read(Vec<String>),
    /// Values contradict each other, or name what is not there.
    #[error("{}", check::list(.0))]
    Invalid(Vec<Problem>),
}

/// Reads and validates the configuration of `files`, later ones over earlier ones, and of
/// the environment.
pub fn load(files: &[PathBuf]) -> Result<Config, ConfigError> {
    let mut figment = Figment::new();
    for file in files {
        figment = figment.merge(Yaml::file(file).search(false).required(true));
    }
    let config: Config = figment
        .merge(environment::provider(ENVIRONMENT_PREFIX))
        .extract()
        .map_err(|errors| {
            ConfigError::Read(errors.into_iter().map(|error| told(&error)).collect())
        })?;
    let problems = config.problems();
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Invalid(problems))
    }
}

/// sha256 of what the files hold and of the environment that make the configuration, as
/// `sha256:…`. Names what the hub runs with; secrets stand in other files.
pub fn digest(texts: &[Option<Vec<u8>>]) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    for text in texts {
        add(text.as_deref().unwrap_or_default());
    }
    let variables: BTreeMap<_, _> = std::env::vars_os().collect();
    for (name, value) in &variables {
        let name = name.as_encoded_bytes();
        if name.starts_with(ENVIRONMENT_PREFIX.as_bytes()) {
            add(name);
            add(value.as_encoded_bytes());
        }
    }
    format!("sha256:{}", hex::encode(hash.finalize()))
}

/// Key, what is wrong, and the file or variable that says so.
fn told(error: &figment::Error) -> String {
    let place = error
        .metadata
        .as_ref()
        .map(|metadata| match &metadata.source {
            Some(source) => source.to_string(),
            None => metadata.name.to_string(),
        });
    let key = error.path.join(".");
    let separator = if key.is_empty() { "" } else { ": " };
    match place {
        Some(place) => format!("{key}{separator}{} (in {place})", error.kind),
        None => format!("{key}{separator}{}", error.kind),
    }
}

//! What a source is shown: the same keys for every kind.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Problem;
use crate::source::EcrConfig;

/// Where a source's credentials are. At most one kind of them; none is anonymous access. Part of
/// each kind's own keys. All files are read again at each use.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CredentialsConfig {
    /// User, for basic or token authentication, with `passwordFile`.
    pub username: Option<String>,
    /// File with the user.
    pub username_file: Option<PathBuf>,
    /// File with the user's password or access token.
    pub password_file: Option<PathBuf>,
    /// File with a token that is shown as it is (`Authorization: Bearer`).
    pub token_file: Option<PathBuf>,
    /// File as Docker and `kubernetes.io/dockerconfigjson` secrets have it. Of its entries the one
    /// counts whose host is the registry's and whose path is the longest that leads to the
    /// repository.
    pub docker_config_file: Option<PathBuf>,
    /// AWS gives the credentials of a private registry of ECR.
    pub ecr: Option<EcrConfig>,
}

impl CredentialsConfig {
    /// What is wrong with it beyond the form of single values.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let user = self.username.is_some() || self.username_file.is_some();
        let kinds = [
            ("passwordFile", user || self.password_file.is_some()),
            ("tokenFile", self.token_file.is_some()),
            ("dockerConfigFile", self.docker_config_file.is_some()),
            ("ecr", self.ecr.is_some()),
        ];
        let checks = [
            (
                self.username.is_some() && self.username_file.is_some(),
                "usernameFile",
                "must not stand beside username",
            ),
            (
                user != self.password_file.is_some(),
                "passwordFile",
                "goes with username or usernameFile",
            ),
        ];
        let mut problems = super::wrong(checks);
        let given = kinds.into_iter().filter(|(_, given)| *given);
        problems.extend(
            given
                .skip(1)
                .map(|(key, _)| (key, "must not stand beside other credentials")),
        );
        problems.extend(self.ecr.iter().flat_map(EcrConfig::problems));
        problems
    }
}

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Registry;
use crate::{
    command::run,
    paths::{peer_binary, run_dir},
};

/// A key pair of the real cosign, and signatures made with it.
pub struct SigningKey {
    dir: PathBuf,
}

impl SigningKey {
    /// Makes a new one.
    pub async fn generate(name: &str) -> Result<Self> {
        let dir = run_dir(name)?;
        let prefix = text(&dir.join("cosign"))?.to_owned();
        let args = ["generate-key-pair", "--output-key-prefix", &prefix];
        run(&peer_binary("cosign"), args, &ENVIRONMENT, "")
            .await?
            .success()?;
        Ok(Self { dir })
    }

    /// Its public half, PEM.
    pub fn public(&self) -> PathBuf {
        self.dir.join("cosign.pub")
    }

    /// Signs the manifest with this digest, and stores the signature beside it as cosign does: under the tag
    /// `sha256-<hex>.sig`.
    pub async fn sign(&self, registry: &Registry, repository: &str, digest: &str) -> Result<()> {
        let key = self.dir.join("cosign.key");
        let image = format!("{}/{repository}@{digest}", registry.host());
        let mut args = vec!["sign", "--yes", "--tlog-upload=false", "--key", text(&key)?];
        if let Some((user, password)) = registry.user() {
            args.extend(["--registry-username", user, "--registry-password", password]);
        }
        let mut env = ENVIRONMENT.to_vec();
        if let Some(authority) = registry.authority() {
            args.extend(["--registry-cacert", text(authority)?]);
        } else {
            args.push("--allow-http-registry");
        }
        args.push(&image);
        let home = text(&self.dir)?;
        env.push(("HOME", home));
        run(&peer_binary("cosign"), args, &env, "")
            .await?
            .success()
            .map(drop)
    }
}

/// Keys of tests have no password, and without this cosign asks for one.
const ENVIRONMENT: [(&str, &str); 1] = [("COSIGN_PASSWORD", "")];

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("path is not UTF-8")
}

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{command, paths::workspace_binary, peers::Registry};

/// Pushes `package` with the hub's own command, and gives the manifest's digest.
pub async fn push(
    registry: &Registry,
    dir: &Path,
    package: &Path,
    repository: &str,
    tag: &str,
) -> Result<String> {
    let reference = format!("oci://{}/{repository}:{tag}", registry.host());
    let mut args = vec!["push".to_owned(), package.display().to_string(), reference];
    if let Some((user, password)) = registry.user() {
        let file = dir.join("push-password");
        fs::write(&file, password)?;
        args.extend([
            "--username".into(),
            user.into(),
            "--password-file".into(),
            file.display().to_string(),
        ]);
    }
    if let Some(authority) = registry.authority() {
        args.extend(["--ca-file".into(), authority.display().to_string()]);
    }
    let hub = workspace_binary("flyte-registration-hub")?;
    let said = command::run(&hub, args, &[], "").await?.success()?;
    Ok(said
        .lines()
        .last()
        .context("push says no digest")?
        .to_owned())
}

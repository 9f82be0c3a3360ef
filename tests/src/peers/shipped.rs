use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{paths::workspace_binary, process::Process};

/// Starts the hub in `dir` with `config` (YAML), which is written to `hub.yaml` in there.
///
/// It is not waited for: what to ask depends on `config`.
pub fn hub(dir: &Path, config: &str, env: &[(&str, &str)]) -> Result<Process> {
    start("hub", "flyte-registration-hub", "serve", dir, config, env)
}

/// Starts an agent in `dir` with `config` (YAML), which is written to `agent.yaml` in there. `env` may set `KUBECONFIG`.
///
/// It is not waited for: what to ask depends on `config`.
pub fn agent(dir: &Path, config: &str, env: &[(&str, &str)]) -> Result<Process> {
    start("agent", "flyte-registration-agent", "run", dir, config, env)
}

fn start(
    name: &str,
    program: &str,
    command: &str,
    dir: &Path,
    config: &str,
    env: &[(&str, &str)],
) -> Result<Process> {
    let path = dir.join(format!("{name}.yaml"));
    fs::write(&path, config)?;
    let path = path.to_str().context("path is not UTF-8")?;
    Process::start(
        name,
        dir,
        &workspace_binary(program)?,
        [command, "--config", path],
        env,
    )
}

//! Programs that run to their end: kubectl, helm, and the command lines of this workspace.

use std::{ffi::OsStr, path::Path, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use crate::paths::peer_binary;

const DEADLINE: Duration = Duration::from_mins(2);

/// What a program said.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Its standard output if it exited with 0, else an error with all it said.
    pub fn success(self) -> Result<String> {
        if self.code != Some(0) {
            bail!("exit code {:?}: {}{}", self.code, self.stderr, self.stdout);
        }
        Ok(self.stdout)
    }
}

/// Runs `program` to its end, for two minutes at most, and gives it `input` to read.
pub async fn run<A: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = A>,
    env: &[(&str, &str)],
    input: &str,
) -> Result<Output> {
    let mut command = Command::new(program);
    command
        .args(args)
        .envs(env.iter().copied())
        .kill_on_drop(true);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let whole = async {
        let write = async move {
            // A program that does not read its input is judged by its exit code.
            let _ = stdin.write_all(input.as_bytes()).await;
        };
        tokio::join!(write, child.wait_with_output()).1
    };
    let output = timeout(DEADLINE, whole)
        .await
        .with_context(|| format!("{} did not end", program.display()))??;
    Ok(Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs the real kubectl.
pub async fn kubectl(kubeconfig: &Path, args: &[&str]) -> Result<Output> {
    kubectl_with_input(kubeconfig, args, "").await
}

/// Applies a manifest with the real kubectl.
pub async fn apply(kubeconfig: &Path, manifest: &str) -> Result<Output> {
    kubectl_with_input(kubeconfig, &["apply", "-f", "-"], manifest).await
}

/// Asks the API server with the real kubectl whether it would create a manifest.
pub async fn create_dry_run(kubeconfig: &Path, manifest: &str) -> Result<Output> {
    kubectl_with_input(
        kubeconfig,
        &["create", "--dry-run=server", "-f", "-"],
        manifest,
    )
    .await
}

async fn kubectl_with_input(kubeconfig: &Path, args: &[&str], input: &str) -> Result<Output> {
    let config = kubeconfig.to_str().context("path is not UTF-8")?;
    // kubectl's cache knows a server by its address only, and the next run may get the port of this one.
    let cache = kubeconfig.with_file_name("kubectl-cache");
    let cache = cache.to_str().context("path is not UTF-8")?;
    let own = ["--kubeconfig", config, "--cache-dir", cache];
    run(&peer_binary("kubectl"), own.iter().chain(args), &[], input).await
}

/// Runs the real helm. Its own files are kept beside the kubeconfig.
pub async fn helm(kubeconfig: &Path, args: &[&str]) -> Result<Output> {
    let config = kubeconfig.to_str().context("path is not UTF-8")?;
    let home = kubeconfig.with_file_name("helm");
    let home = home.to_str().context("path is not UTF-8")?;
    let env = [
        ("KUBECONFIG", config),
        ("HELM_CACHE_HOME", home),
        ("HELM_CONFIG_HOME", home),
        ("HELM_DATA_HOME", home),
    ];
    run(&peer_binary("helm"), args, &env, "").await
}

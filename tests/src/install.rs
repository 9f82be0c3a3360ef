//! Builds the real peers from their package registries, once: they are kept in [`build_dir`].

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};
use tokio::{process::Command, task::spawn_blocking};

use crate::paths::{build_dir, peer_binary, tests_dir};

mod progress;

/// A peer that is a Go program, with a module of its own in `tests/peers`.
struct GoPeer {
    name: &'static str,
    module: &'static str,
    package: &'static str,
    ldflags: &'static str,
}

/// What a release build of Kubernetes sets, so that clients see the version.
const KUBERNETES_VERSION: &str = "-X k8s.io/component-base/version.gitVersion=v1.34.4 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34";

const GO_PEERS: [GoPeer; 8] = [
    GoPeer {
        name: "kube-apiserver",
        module: "kubernetes",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
        ldflags: KUBERNETES_VERSION,
    },
    GoPeer {
        name: "kubectl",
        module: "kubernetes",
        package: "k8s.io/kubernetes/cmd/kubectl",
        ldflags: KUBERNETES_VERSION,
    },
    GoPeer {
        name: "etcd",
        module: "etcd",
        package: "go.etcd.io/etcd/server/v3",
        ldflags: "",
    },
    GoPeer {
        name: "registry",
        module: "registry",
        package: "github.com/distribution/distribution/v3/cmd/registry",
        ldflags: "",
    },
    GoPeer {
        name: "helm",
        module: "helm",
        package: "helm.sh/helm/v3/cmd/helm",
        ldflags: "",
    },
    GoPeer {
        name: "versitygw",
        module: "versitygw",
        package: "github.com/versity/versitygw/cmd/versitygw",
        ldflags: "",
    },
    GoPeer {
        name: "toxiproxy",
        module: "toxiproxy",
        package: "github.com/Shopify/toxiproxy/v2/cmd/server",
        ldflags: "",
    },
    GoPeer {
        name: "cosign",
        module: "cosign",
        package: "github.com/sigstore/cosign/v2/cmd/cosign",
        ldflags: "",
    },
];

/// One step more than the Go peers: the Python environment.
const STEPS: usize = GO_PEERS.len() + 1;

/// Checks the prerequisites and builds what is not there in the version that the checkout wants.
///
/// Processes that do this at the same time wait for each other.
pub async fn install() -> Result<()> {
    let stale: Vec<_> = (GO_PEERS.iter().enumerate())
        .filter(|(_, peer)| peer.is_stale().unwrap_or(true))
        .collect();
    let python = python_fingerprint()?;
    let python_is_stale = || is_stale("venv", &python) || !descriptors().exists();
    if stale.is_empty() && !python_is_stale() {
        return Ok(());
    }
    check_prerequisites().await?;
    let _lock = lock().await?;
    for (index, peer) in stale {
        // Another process may have built it while this one waited for the lock.
        if peer.is_stale()? {
            peer.build(index + 1).await?;
        }
    }
    if python_is_stale() {
        install_python(&python).await?;
    }
    Ok(())
}

impl GoPeer {
    fn fingerprint(&self) -> Result<String> {
        let dir = tests_dir().join("peers").join(self.module);
        fingerprint(
            &[dir.join("go.mod").as_path(), &dir.join("go.sum")],
            &[self.package, self.ldflags],
        )
    }

    fn is_stale(&self) -> Result<bool> {
        Ok(!peer_binary(self.name).exists() || is_stale(self.name, &self.fingerprint()?))
    }

    async fn build(&self, step: usize) -> Result<()> {
        let path = peer_binary(self.name);
        let new = path.with_extension("new");
        let mut command = Command::new("go");
        command
            .args([
                "build",
                "-trimpath",
                "-ldflags",
                &format!("-s -w {}", self.ldflags),
                "-o",
            ])
            .arg(&new)
            .arg(self.package);
        command
            .current_dir(tests_dir().join("peers").join(self.module))
            .env("CGO_ENABLED", "0");
        progress::run(
            &format!("building {} ({step}/{STEPS})", self.name),
            self.name,
            command,
        )
        .await?;
        fs::rename(&new, &path)?;
        write_stamp(self.name, &self.fingerprint()?)
    }
}

/// Makes the Python environment, and writes the descriptors with it.
async fn install_python(fingerprint: &str) -> Result<()> {
    let sources = tests_dir().join("peers/python");
    let venv = build_dir().join("venv");
    if venv.exists() {
        fs::remove_dir_all(&venv).context("remove the old Python environment")?;
    }
    let script = "set -eu; python3 -m venv \"$1\"; \"$1/bin/pip\" install --disable-pip-version-check --no-deps \
        -r \"$2/requirements.txt\"; \"$1/bin/python\" \"$2/flyteidl_descriptors.py\" \"$3\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .args([&venv, &sources, &descriptors()]);
    progress::run(
        &format!("installing flytekit and moto ({STEPS}/{STEPS})"),
        "venv",
        command,
    )
    .await?;
    write_stamp("venv", fingerprint)
}

/// The descriptors of the published `FlyteIDL`.
fn descriptors() -> PathBuf {
    build_dir().join("flyteidl.bin")
}

fn python_fingerprint() -> Result<String> {
    let dir = tests_dir().join("peers/python");
    fingerprint(
        &[
            &dir.join("requirements.txt"),
            &dir.join("flyteidl_descriptors.py"),
        ],
        &[],
    )
}

/// A hash of the content of files and of some words.
fn fingerprint(files: &[&Path], words: &[&str]) -> Result<String> {
    let mut hash = Sha256::new();
    for path in files {
        hash.update(fs::read(path).with_context(|| format!("read {}", path.display()))?);
    }
    for word in words {
        hash.update(word);
    }
    Ok(hex::encode(hash.finalize()))
}

fn is_stale(name: &str, fingerprint: &str) -> bool {
    let stamp = fs::read_to_string(build_dir().join("stamps").join(name));
    stamp.map_or(true, |stamp| stamp != fingerprint)
}

fn write_stamp(name: &str, fingerprint: &str) -> Result<()> {
    let dir = build_dir().join("stamps");
    fs::create_dir_all(&dir)?;
    fs::write(dir.join(name), fingerprint).context("write a stamp")
}

/// Says of every missing prerequisite how to get it.
async fn check_prerequisites() -> Result<()> {
    let output = Command::new("sh")
        .arg(tests_dir().join("peers/prerequisites.sh"))
        .output()
        .await?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Waits until no other process installs; the lock ends with the file.
async fn lock() -> Result<File> {
    fs::create_dir_all(build_dir().join("bin"))?;
    let file = File::create(build_dir().join("install.lock"))?;
    spawn_blocking(move || file.lock().map(|()| file))
        .await?
        .context("lock the build folder")
}

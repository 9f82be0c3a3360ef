//! Where things are: what is built once and cached, what one run leaves, and the binaries of this workspace.

use std::{
    collections::BTreeSet,
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, Result, bail};
use parking_lot::Mutex;
use rand::RngExt as _;

/// The folder `tests/` of the checkout.
///
/// Cargo says where it is whenever it runs something of this package. What it said when this was compiled may be another checkout:
/// they can share a target folder.
pub fn tests_dir() -> &'static Path {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
        let compiled = env!("CARGO_MANIFEST_DIR");
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| compiled.into(), PathBuf::from)
    });
    &DIR
}

/// What is kept between runs, outside of the checkout: `$FLYTE_REG_BUILD`, by default `flyte-registration` in the
/// user's cache folder.
pub fn build_dir() -> &'static Path {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
        let set = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        set("FLYTE_REG_BUILD").unwrap_or_else(|| {
            let home = || set("HOME").unwrap_or_else(env::temp_dir).join(".cache");
            set("XDG_CACHE_HOME")
                .unwrap_or_else(home)
                .join("flyte-registration")
        })
    });
    &DIR
}

/// A binary that [`crate::install`] built.
pub fn peer_binary(name: &str) -> PathBuf {
    build_dir().join("bin").join(name)
}

/// A program of the Python environment that [`crate::install`] made.
pub fn python_program(name: &str) -> PathBuf {
    build_dir().join("venv/bin").join(name)
}

/// A binary of this workspace: in `$FLYTE_REG_BINARIES`, or where cargo put the running program.
pub fn workspace_binary(name: &str) -> Result<PathBuf> {
    let dir = if let Some(dir) = env::var_os("FLYTE_REG_BINARIES") {
        PathBuf::from(dir)
    } else {
        let program = env::current_exe().context("the path of this program")?;
        // Tests are in `deps`, below the folder of the binaries.
        let dir = program.parent().context("this program has no folder")?;
        if dir.ends_with("deps") {
            dir.parent().unwrap_or(dir).to_owned()
        } else {
            dir.to_owned()
        }
    };
    let path = dir.join(name);
    if !path.exists() {
        bail!(
            "{} is missing: run `cargo build --workspace --bins` first",
            path.display()
        );
    }
    Ok(path)
}

/// A new, empty folder of this run. It stays until the first run after this process has ended, so that logs can be read.
pub fn run_dir(name: &str) -> Result<PathBuf> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let runs = build_dir().join("run");
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    if number == 0 {
        remove_ended(&runs);
    }
    let dir = runs
        .join(process::id().to_string())
        .join(format!("{name}-{number}"));
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    Ok(dir)
}

/// Removes what runs that have ended left. Another run may do the same at the same time, so failures do not matter.
fn remove_ended(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let own = entry.file_name() == process::id().to_string().as_str();
        if own || !Path::new("/proc").join(entry.file_name()).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A TCP port of the loopback interface that nothing listens on, each time another.
///
/// It lies below the ports that Linux gives to outgoing connections (from 32768), so that a peer that is restarted finds
/// its port free again.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for _ in 0..1000 {
        let port = rand::rng().random_range(20_000..32_000);
        // Whoever got it before may not listen on it yet.
        if GIVEN.lock().insert(port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 20000 and 32000")
}

//! Workflow packages, made by the real `pyflyte package`.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use crate::{
    command::run,
    paths::{build_dir, python_program, tests_dir},
};

/// The image that the packages' tasks run in; nothing ever pulls it.
pub const IMAGE: &str = "ghcr.io/acme/etl:2024.1";

/// The package of `tests/workflows/sample`: 5 tasks, 2 workflows, and 3 launch plans, one of them with a schedule.
pub async fn sample_package() -> Result<PathBuf> {
    package("etl", sources("sample/etl")?, &[]).await
}

/// The package of `tests/workflows/features`, one of everything that flytekit packages, with `flags`
/// added to `pyflyte package`. It refers to [`shared_package`] in other places.
pub async fn features_package(flags: &[&str]) -> Result<PathBuf> {
    let flags = [&["--image", "gpu=ghcr.io/acme/gpu:v1"], flags].concat();
    package("features", sources("features/features")?, &flags).await
}

/// The package of `tests/workflows/shared`: a task, a workflow, and 2 launch plans.
pub async fn shared_package() -> Result<PathBuf> {
    package("shared", sources("shared/shared.py")?, &[]).await
}

/// The files of a module in `tests/workflows`, relative to the folder that it is in.
fn sources(module: &str) -> Result<Vec<(String, String)>> {
    let module = tests_dir().join("workflows").join(module);
    let root = module.parent().context("it lies in a folder")?;
    let mut paths = vec![module.clone()];
    if module.is_dir() {
        let inside = fs::read_dir(&module)?.map(|entry| entry.map(|entry| entry.path()));
        paths = inside.collect::<std::io::Result<_>>()?;
        // Whoever imports them leaves a cache behind.
        paths.retain(|path| path.is_file());
    }
    let read = paths.iter().map(|path| {
        let name = path.strip_prefix(root)?.to_str();
        let name = name.context("path is not UTF-8")?.to_owned();
        Ok((name, fs::read_to_string(path)?))
    });
    read.collect()
}

/// The package of one Python module of the given name.
pub async fn package_source(name: &str, python_source: &str) -> Result<PathBuf> {
    package_with(name, python_source, &[]).await
}

/// The same with `flags` added to `pyflyte package`, as `--copy` and `all`.
pub async fn package_with(name: &str, python_source: &str, flags: &[&str]) -> Result<PathBuf> {
    let sources = vec![(format!("{name}.py"), python_source.to_owned())];
    package(name, sources, flags).await
}

/// The package of a Python package of the given name, from its files (path and text).
pub async fn package_sources(name: &str, sources: &[(&str, String)]) -> Result<PathBuf> {
    let owned = sources
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.clone()));
    package(name, owned.collect(), &[]).await
}

/// Packages `sources` (path and text), unless the same were packaged before by the same flytekit.
async fn package(
    name: &str,
    mut sources: Vec<(String, String)>,
    flags: &[&str],
) -> Result<PathBuf> {
    sources.sort();
    let flytekit = fs::read(tests_dir().join("peers/python/requirements.txt"))?;
    let mut hash = Sha256::new().chain_update(flytekit).chain_update(IMAGE);
    let texts = sources.iter().flat_map(|(path, text)| [path, text]);
    for part in texts.map(String::as_str).chain(flags.iter().copied()) {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let dir = build_dir()
        .join("packages")
        .join(format!("{name}-{}", &hex::encode(hash.finalize())[..16]));
    let package = dir.join(format!("{name}.tgz"));
    fs::create_dir_all(&dir)?;
    let lock = File::create(dir.join("lock"))?;
    let _lock = spawn_blocking(move || lock.lock().map(|()| lock)).await??;
    if !package.exists() {
        make(name, &sources, flags, &dir, &package).await?;
    }
    Ok(package)
}

async fn make(
    name: &str,
    sources: &[(String, String)],
    flags: &[&str],
    dir: &Path,
    package: &Path,
) -> Result<()> {
    let root = dir.join("sources");
    for (path, text) in sources {
        let path = root.join(path);
        fs::create_dir_all(path.parent().context("a source without a folder")?)?;
        fs::write(path, text)?;
    }
    let new = dir.join("new.tgz");
    let command = r#"cd "$1" && pyflyte="$2" pkgs="$3" image="$4" output="$5" && shift 5 &&
        exec "$pyflyte" --pkgs "$pkgs" package --image "$image" --output "$output" --force "$@""#;
    let pyflyte = python_program("pyflyte");
    let mut args: Vec<&OsStr> = vec![
        "-c".as_ref(),
        command.as_ref(),
        "sh".as_ref(),
        root.as_os_str(),
        pyflyte.as_os_str(),
        name.as_ref(),
        IMAGE.as_ref(),
        new.as_os_str(),
    ];
    args.extend(flags.iter().map(|flag| OsStr::new(*flag)));
    let said = run(
        Path::new("sh"),
        args,
        &[("PYTHONDONTWRITEBYTECODE", "1")],
        "",
    )
    .await?
    .success()?;
    // pyflyte exits with 0 when it finds nothing to package.
    fs::rename(&new, package).with_context(|| format!("pyflyte wrote no package: {said}"))
}

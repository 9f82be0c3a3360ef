//! The cache on a disk that is really full.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use flyte_registration_crd::Reason;
use flyte_registration_hub::source::CacheConfig;
use flyte_registration_tests::{
    block_on,
    paths::run_dir,
    peers::{Nginx, NginxAccess, NginxOptions},
};
use serde_json::json;

use crate::sources::Hub;

/// What the disk holds, and what the cache may hold: it never thinks that it is full itself.
const DISK: usize = 1 << 20;
const CACHE: u64 = 1 << 30;
/// Three fit.
const PACKAGE: usize = 300_000;

/// A file system in memory. Gone with this value.
struct Disk(PathBuf);

impl Disk {
    /// `None` where nothing can be mounted.
    fn mount(dir: PathBuf, size: usize) -> Result<Option<Self>> {
        let options = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&dir)
            .output()
            .context("start mount")?;
        Ok(mount.status.success().then_some(Self(dir)))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a file may still be open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn package(number: u8, size: usize) -> Vec<u8> {
    vec![number; size]
}

fn stored(dir: &Path) -> Result<usize> {
    Ok(fs::read_dir(dir)?.count())
}

#[test]
fn a_full_disk_evicts_from_the_cache_and_is_told() -> Result<()> {
    block_on(async {
        let Some(disk) = Disk::mount(run_dir("full-disk")?, DISK)? else {
            eprintln!("SKIPPED: only root can mount the disk that is to be full");
            return Ok(());
        };
        let options = NginxOptions {
            tls: false,
            access: NginxAccess::Anonymous,
        };
        let nginx = Nginx::start("full-disk", options).await?;
        for number in 0..8 {
            let path = format!("/small-{number}_v1.tgz");
            nginx.put(&path, &package(number, PACKAGE), None).await?;
        }
        nginx
            .put("/large_v1.tgz", &package(99, DISK + 1), None)
            .await?;
        let cache = CacheConfig {
            dir: disk.0.clone(),
            max_size: CACHE,
        };
        let source = json!({"kind": "http", "url": nginx.url(""), "plainHttp": true});
        let hub = Hub::with(&cache, &source)?;

        let mut full = 0;
        for number in 0..8 {
            let name = format!("small-{number}");
            let fetched = match hub.fetch(&name, None).await {
                Err(error) => {
                    full += 1;
                    assert_eq!(error.reason(), Reason::SourceUnavailable, "{error}");
                    ensure!(
                        error.to_string().contains("cannot keep packages"),
                        "{error}"
                    );
                    // As the queue does it. What was in the way is gone.
                    hub.fetch(&name, None).await?
                }
                fetched => fetched?,
            };
            let mut content = Vec::new();
            fetched.blob.open()?.read_to_end(&mut content)?;
            ensure!(content == package(number, PACKAGE), "{name} is damaged");
        }
        ensure!(full >= 2, "the disk was full {full} times");

        for _ in 0..2 {
            let error = hub.fetch("large", None).await;
            let error = error.err().context("it is larger than the disk")?;
            assert_eq!(error.reason(), Reason::SourceUnavailable, "{error}");
        }
        assert_eq!(
            stored(&disk.0.join("tmp"))?,
            0,
            "nothing half-written stays"
        );
        hub.fetch("small-0", None).await?;
        Ok(())
    })
}

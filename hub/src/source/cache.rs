//! Packages on disk, by digest.
//!
//! `blobs/sha256/<hex>` holds what is whole and was verified, `tmp/` what is being written. A file
//! comes into being by a rename and never changes, so that several processes can share the
//! directory; what another process wrote is verified before its first use. So nothing is synced to
//! the disk: what a crash of the machine leaves half-written is found out and fetched again.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::{CacheConfig, names::Digest};

mod incoming;
mod index;

pub(super) use incoming::{Incoming, Rejected};
use index::{Index, Stamp};

/// A cache directory, opened.
#[derive(Debug)]
pub struct Cache {
    blobs: PathBuf,
    temporary: PathBuf,
    max_size: u64,
    /// Bytes that are about to be written.
    incoming: AtomicU64,
    index: Mutex<Index>,
}

/// A package on disk. It stays there as long as this value lives.
#[derive(Clone, Debug)]
pub struct Blob {
    path: PathBuf,
    digest: Digest,
    size: u64,
    _pin: Arc<()>,
}

impl Blob {
    /// Opens the archive for reading. Fails when someone cleared the cache by hand.
    pub fn open(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Digest of the archive.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Size of the archive in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Cache {
    /// Opens the directory, makes it where it is missing, and removes what dead processes left
    /// half-written.
    pub fn open(config: &CacheConfig) -> io::Result<Arc<Self>> {
        let blobs = config.dir.join("blobs").join("sha256");
        let temporary = config.dir.join("tmp");
        fs::create_dir_all(&blobs)?;
        fs::create_dir_all(&temporary)?;
        incoming::remove_abandoned(&temporary)?;
        let mut index = Index::default();
        index.scan(&blobs)?;
        let cache = Self {
            blobs,
            temporary,
            max_size: config.max_size,
            incoming: AtomicU64::new(0),
            index: Mutex::new(index),
        };
        cache.make_room()?;
        Ok(Arc::new(cache))
    }

    /// Largest package that it can hold, in bytes.
    pub(super) fn max_size(&self) -> u64 {
        self.max_size
    }

    /// The package with this digest, if it is there and unharmed.
    pub(super) async fn get(self: &Arc<Self>, digest: &Digest) -> io::Result<Option<Blob>> {
        let (cache, digest) = (Arc::clone(self), digest.clone());
        in_background(move || cache.look_up(&digest)).await
    }

    /// Begins to write a package of `size` bytes, as far as is known.
    pub(super) async fn begin(self: &Arc<Self>, size: u64) -> io::Result<Incoming> {
        let cache = Arc::clone(self);
        in_background(move || Incoming::begin(cache, size)).await
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(digest.hex())
    }

    fn look_up(&self, digest: &Digest) -> io::Result<Option<Blob>> {
        let path = self.path(digest);
        let (stamp, pin) = {
            // Under the lock, so that no sweep comes between the look and the pin.
            let mut index = self.index.lock();
            let Some(stamp) = Stamp::of(&path)? else {
                index.forget(digest);
                return Ok(None);
            };
            let entry = index.entry(digest, stamp);
            entry.touch(&path);
            if entry.verified == Some(stamp) {
                return Ok(Some(self.blob(digest, stamp.size, &entry.pin)));
            }
            (stamp, Arc::clone(&entry.pin))
        };
        if Digest::of_reader(&mut File::open(&path)?)?.0 != *digest {
            tracing::warn!(%digest, "a cached package was damaged; it is fetched again");
            self.index.lock().forget(digest);
            remove(&path)?;
            return Ok(None);
        }
        self.index.lock().entry(digest, stamp).verified = Some(stamp);
        Ok(Some(self.blob(digest, stamp.size, &pin)))
    }

    fn blob(&self, digest: &Digest, size: u64, pin: &Arc<()>) -> Blob {
        Blob {
            path: self.path(digest),
            digest: digest.clone(),
            size,
            _pin: Arc::clone(pin),
        }
    }

    /// Puts a written and verified file in its place.
    fn keep(&self, file: tempfile::TempPath, digest: &Digest) -> io::Result<Blob> {
        let path = self.path(digest);
        let mut index = self.index.lock();
        file.persist(&path).map_err(|error| error.error)?;
        let stamp = Stamp::of(&path)?.ok_or(io::ErrorKind::NotFound)?;
        let entry = index.entry(digest, stamp);
        entry.verified = Some(stamp);
        entry.touch(&path);
        Ok(self.blob(digest, stamp.size, &entry.pin))
    }

    /// Half of what is there goes, since the disk is full although the cache is not.
    pub(super) async fn shrink(self: &Arc<Self>) -> io::Result<()> {
        let cache = Arc::clone(self);
        in_background(move || {
            let mut index = cache.index.lock();
            let target = index.used() / 2;
            cache.sweep(&mut index, target)
        })
        .await
    }

    /// Sweeps where what is there and what is about to come are over the maximum.
    fn make_room(&self) -> io::Result<()> {
        let incoming = self.incoming.load(Ordering::Relaxed);
        let mut index = self.index.lock();
        if index.used().saturating_add(incoming) <= self.max_size {
            return Ok(());
        }
        // A tenth more than needed, so that the directory is not read again for each package.
        let target = (self.max_size - self.max_size / 10).saturating_sub(incoming);
        self.sweep(&mut index, target)
    }

    /// Removes what was unused longest until `target` bytes remain. Packages in use stay, even if
    /// that means more for a while; what other processes put here counts as well.
    fn sweep(&self, index: &mut Index, target: u64) -> io::Result<()> {
        index.scan(&self.blobs)?;
        for digest in index.least_recently_used(target) {
            remove(&self.path(&digest))?;
            index.forget(&digest);
        }
        Ok(())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;

//! A package on its way to the cache.

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tempfile::TempPath;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _, BufWriter};

use super::{Blob, Cache, Digest, in_background};

/// A file this young without a lock may be about to get it.
const ABANDONED_AFTER: Duration = Duration::from_mins(1);
const BUFFER: usize = 256 * 1024;

/// A package being written. Dropped, it leaves nothing behind.
pub(in crate::source) struct Incoming {
    room: Room,
    written: u64,
    hasher: Sha256,
    file: BufWriter<tokio::fs::File>,
    path: Option<TempPath>,
}

/// What was written is not kept.
#[derive(Debug)]
pub(in crate::source) enum Rejected {
    /// It has another digest.
    Digest(Digest),
    /// The disk failed.
    Io(io::Error),
}

impl Incoming {
    pub(super) fn begin(cache: Arc<Cache>, size: u64) -> io::Result<Self> {
        cache.incoming.fetch_add(size, Ordering::Relaxed);
        let room = Room { cache, size };
        room.cache.make_room()?;
        let file = tempfile::Builder::new()
            .prefix("package-")
            .tempfile_in(&room.cache.temporary)?;
        // The lock says that someone still writes here. It goes with the process.
        file.as_file().try_lock().map_err(io::Error::from)?;
        let (file, path) = file.into_parts();
        Ok(Self {
            room,
            written: 0,
            hasher: Sha256::new(),
            file: BufWriter::with_capacity(BUFFER, tokio::fs::File::from_std(file)),
            path: Some(path),
        })
    }

    /// Bytes so far.
    pub(in crate::source) fn written(&self) -> u64 {
        self.written
    }

    /// Appends.
    pub(in crate::source) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        self.room.grow(self.written);
        self.file.write_all(bytes).await
    }

    /// Back to the beginning.
    pub(in crate::source) async fn restart(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.get_mut().set_len(0).await?;
        self.file.rewind().await?;
        self.hasher = Sha256::new();
        self.written = 0;
        Ok(())
    }

    /// Puts it in its place, if it is what it should be.
    pub(in crate::source) async fn finish(
        mut self,
        expected: Option<&Digest>,
    ) -> Result<Blob, Rejected> {
        let digest = Digest::finish(std::mem::take(&mut self.hasher));
        if expected.is_some_and(|expected| *expected != digest) {
            return Err(Rejected::Digest(digest));
        }
        self.persist(digest).await.map_err(Rejected::Io)
    }

    async fn persist(&mut self, digest: Digest) -> io::Result<Blob> {
        self.file.flush().await?;
        let path = self.path.take().ok_or(io::ErrorKind::NotFound)?;
        let cache = Arc::clone(&self.room.cache);
        in_background(move || cache.keep(path, &digest)).await
    }
}

/// Bytes set aside.
struct Room {
    cache: Arc<Cache>,
    size: u64,
}

impl Room {
    /// Sets more aside where `size` turns out to be more than was said.
    fn grow(&mut self, size: u64) {
        if size > self.size {
            self.cache
                .incoming
                .fetch_add(size - self.size, Ordering::Relaxed);
            self.size = size;
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.cache.incoming.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// Removes the files that no living process writes.
pub(super) fn remove_abandoned(temporary: &Path) -> io::Result<()> {
    for file in fs::read_dir(temporary)? {
        let path = file?.path();
        if is_abandoned(&path) {
            super::remove(&path)?;
        }
    }
    Ok(())
}

fn is_abandoned(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let age = file
        .metadata()
        .and_then(|metadata| metadata.modified())
        .map(|modified| modified.elapsed());
    matches!(age, Ok(Ok(age)) if age > ABANDONED_AFTER) && file.try_lock().is_ok()
}

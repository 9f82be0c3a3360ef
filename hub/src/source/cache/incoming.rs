//! A package on its way to the cache.

use std::{
    fs::{self, File},
    io::{self, Seek as _, Write as _},
    mem,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{Blob, Cache, Digest, in_background};

/// A file this young without a lock may be about to get it.
const ABANDONED_AFTER: Duration = Duration::from_mins(1);
/// What is written at a time, and the most that a package on its way has in memory but for one part of the answer.
const BUFFER: usize = 256 * 1024;

/// A package being written. Dropped, it leaves nothing behind.
pub(in crate::source) struct Incoming {
    room: Room,
    written: u64,
    /// What is not on the disk yet.
    buffer: Vec<u8>,
    /// `None` after the disk has failed.
    disk: Option<OnDisk>,
}

/// The part of it that is on the disk. Only threads that may block have to do with it.
struct OnDisk {
    file: NamedTempFile,
    hasher: Sha256,
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
        let hasher = Sha256::new();
        Ok(Self {
            room,
            written: 0,
            buffer: Vec::with_capacity(usize::try_from(size).unwrap_or(BUFFER).min(BUFFER)),
            disk: Some(OnDisk { file, hasher }),
        })
    }

    /// Bytes so far.
    pub(in crate::source) fn written(&self) -> u64 {
        self.written
    }

    /// Appends.
    pub(in crate::source) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.room.grow(self.written);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < BUFFER {
            return Ok(());
        }
        let (mut disk, mut buffer) = self.take()?;
        let write = move || {
            disk.append(&buffer)?;
            buffer.clear();
            Ok((disk, buffer))
        };
        let (disk, buffer) = in_background(write).await?;
        (self.disk, self.buffer) = (Some(disk), buffer);
        Ok(())
    }

    /// Back to the beginning.
    pub(in crate::source) async fn restart(&mut self) -> io::Result<()> {
        let (mut disk, mut buffer) = self.take()?;
        buffer.clear();
        self.disk = Some(in_background(move || disk.restart().map(|()| disk)).await?);
        (self.buffer, self.written) = (buffer, 0);
        Ok(())
    }

    /// Puts it in its place, if it is what it should be.
    pub(in crate::source) async fn finish(
        mut self,
        expected: Option<&Digest>,
    ) -> Result<Blob, Rejected> {
        let (mut disk, buffer) = self.take()?;
        let (cache, expected) = (Arc::clone(&self.room.cache), expected.cloned());
        let finish = move || {
            disk.append(&buffer)?;
            let digest = Digest::finish(disk.hasher);
            if expected.is_some_and(|expected| expected != digest) {
                return Ok(Err(Rejected::Digest(digest)));
            }
            Ok(Ok(cache.keep(disk.file.into_temp_path(), &digest)?))
        };
        in_background(finish).await?
    }

    fn take(&mut self) -> io::Result<(OnDisk, Vec<u8>)> {
        let disk = self.disk.take();
        let disk = disk.ok_or_else(|| io::Error::other("an earlier write to the disk failed"))?;
        Ok((disk, mem::take(&mut self.buffer)))
    }
}

impl OnDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes)
    }

    fn restart(&mut self) -> io::Result<()> {
        self.hasher = Sha256::new();
        self.file.as_file().set_len(0)?;
        self.file.rewind()
    }
}

impl From<io::Error> for Rejected {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
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

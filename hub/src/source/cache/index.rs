//! What the cache knows of its files.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::Digest;

/// How long a use may go unrecorded on disk. The times there only serve the next process.
const TOUCH_INTERVAL: Duration = Duration::from_hours(1);

/// What shows that a file is still the one that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Bytes.
    pub(super) size: u64,
    inode: u64,
    modified: SystemTime,
}

impl Stamp {
    /// That of the file at `path`, if there is one.
    pub(super) fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self {
                size: metadata.len(),
                inode: metadata.ino(),
                modified: metadata.modified()?,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A file of the cache.
#[derive(Debug)]
pub(super) struct Entry {
    size: u64,
    used: SystemTime,
    /// The file as it was when its digest was right.
    pub(super) verified: Option<Stamp>,
    /// Held by everyone who uses the file.
    pub(super) pin: Arc<()>,
}

impl Entry {
    /// Records that the file is used.
    pub(super) fn touch(&mut self, path: &Path) {
        let now = SystemTime::now();
        self.used = now;
        let Some(verified) = &mut self.verified else {
            return;
        };
        if now
            .duration_since(verified.modified)
            .is_ok_and(|age| age > TOUCH_INTERVAL)
        {
            // Where it fails the package merely seems older to the next process.
            let touched = File::open(path).and_then(|file| file.set_modified(now));
            if let (Ok(()), Ok(Some(stamp))) = (touched, Stamp::of(path))
                && (stamp.inode, stamp.size) == (verified.inode, verified.size)
            {
                *verified = stamp;
            }
        }
    }
}

/// All files of the cache, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: HashMap<Digest, Entry>,
    used: u64,
}

impl Index {
    /// Bytes of all files.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// The entry of a file that is there.
    pub(super) fn entry(&mut self, digest: &Digest, stamp: Stamp) -> &mut Entry {
        let entry = self.entries.entry(digest.clone()).or_insert_with(|| Entry {
            size: 0,
            used: stamp.modified,
            verified: None,
            pin: Arc::new(()),
        });
        self.used = self.used - entry.size + stamp.size;
        entry.size = stamp.size;
        entry
    }

    /// Drops the entry of a file that is gone.
    pub(super) fn forget(&mut self, digest: &Digest) {
        if let Some(entry) = self.entries.remove(digest) {
            self.used -= entry.size;
        }
    }

    /// Learns what lies in `blobs`, and what other processes removed.
    pub(super) fn scan(&mut self, blobs: &Path) -> io::Result<()> {
        let mut gone: HashSet<Digest> = self.entries.keys().cloned().collect();
        for file in fs::read_dir(blobs)? {
            let file = file?;
            let digest = file
                .file_name()
                .to_str()
                .and_then(|name| Digest::parse(&format!("sha256:{name}")));
            let Some(digest) = digest else { continue };
            let Some(stamp) = Stamp::of(&file.path())? else {
                continue;
            };
            gone.remove(&digest);
            self.entry(&digest, stamp);
        }
        for digest in &gone {
            self.forget(digest);
        }
        Ok(())
    }

    /// The files that must go so that at most `target` bytes remain: those unused longest, without
    /// those in use.
    pub(super) fn least_recently_used(&self, target: u64) -> Vec<Digest> {
        let mut idle: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| Arc::strong_count(&entry.pin) == 1)
            .collect();
        idle.sort_by_key(|(_, entry)| entry.used);
        let mut left = self.used;
        idle.into_iter()
            .take_while(|(_, entry)| {
                let goes = left > target;
                left -= entry.size;
                goes
            })
            .map(|(digest, _)| digest.clone())
            .collect()
    }
}

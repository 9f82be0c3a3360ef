//! Which cluster goes by which name: each is pinned to the uid of its kube-system.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    path::PathBuf,
    sync::Arc,
};

use tempfile::NamedTempFile;

use crate::identity::UID_MAX;

/// The clusters' uids, a file for each in a directory. Whoever removes one unpins its cluster.
#[derive(Clone, Debug)]
pub struct Pins {
    dir: Arc<PathBuf>,
}

impl Pins {
    /// Those in `dir`, which is made at the first use.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir: Arc::new(dir) }
    }

    /// The uid that `cluster` is pinned to, which is `uid` from now on if there was none. What it
    /// returns is on disk. The name is that of a cluster of the configuration: it makes a file name.
    pub async fn pinned(&self, cluster: &Arc<str>, uid: &str) -> io::Result<String> {
        let (pins, cluster, uid) = (self.clone(), Arc::clone(cluster), uid.to_owned());
        tokio::task::spawn_blocking(move || pins.read_or_pin(&cluster, &uid)).await?
    }

    fn read_or_pin(&self, cluster: &str, uid: &str) -> io::Result<String> {
        match self.read(cluster) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            read => return read,
        }
        fs::create_dir_all(&*self.dir)?;
        let mut file = NamedTempFile::new_in(&*self.dir)?;
        file.write_all(uid.as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(self.dir.join(cluster)) {
            Ok(_) => {
                fs::File::open(&*self.dir)?.sync_all()?;
                Ok(uid.to_owned())
            }
            // Another session of that name was first.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => self.read(cluster),
            Err(error) => Err(error.error),
        }
    }

    fn read(&self, cluster: &str) -> io::Result<String> {
        let mut uid = String::new();
        fs::File::open(self.dir.join(cluster))?
            .take(UID_MAX as u64)
            .read_to_string(&mut uid)?;
        Ok(uid.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_uid_is_kept_until_somebody_removes_it() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("clusters");
        let east = Arc::from("east");
        let pins = Pins::new(place.clone());
        assert_eq!(pins.pinned(&east, "one").await.unwrap(), "one");
        assert_eq!(pins.pinned(&east, "two").await.unwrap(), "one");
        assert_eq!(pins.pinned(&Arc::from("west"), "two").await.unwrap(), "two");
        // Another process, later.
        let pins = Pins::new(place.clone());
        assert_eq!(pins.pinned(&east, "two").await.unwrap(), "one");
        fs::remove_file(place.join("east")).unwrap();
        assert_eq!(pins.pinned(&east, "two").await.unwrap(), "two");
        assert_eq!(
            fs::read_dir(&place).unwrap().count(),
            2,
            "nothing else is left"
        );
    }

    #[tokio::test]
    async fn of_many_that_come_first_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let pins = Pins::new(dir.path().to_owned());
        let east = Arc::from("east");
        let all = (0..16).map(|uid| {
            let (pins, east) = (pins.clone(), Arc::clone(&east));
            async move { pins.pinned(&east, &uid.to_string()).await.unwrap() }
        });
        let told = futures::future::join_all(all).await;
        assert!(told.iter().all(|uid| *uid == told[0]), "{told:?}");
    }
}

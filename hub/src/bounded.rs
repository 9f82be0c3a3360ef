//! Small files that may change at any time, such as secrets and keys.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use tokio::task::spawn_blocking;

/// All of a file that has at most `max` bytes.
///
/// # Errors
///
/// It cannot be read, or has more: [`io::ErrorKind::FileTooLarge`].
pub(crate) async fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    // In one piece: each step of `tokio::fs` would go to another thread and back.
    spawn_blocking(move || {
        let mut bytes = Vec::new();
        File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_may_be_as_large_as_the_limit_and_no_larger() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read(&file, 5).await.unwrap(), b"12345");
        let error = read(&file, 4).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let error = read(&dir.path().join("other"), 4).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

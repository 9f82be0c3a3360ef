//! Files that appear whole or not at all.

use std::{fs, io, io::Write as _, path::Path};

use anyhow::Context as _;
use tonic::Code;

use crate::{
    error::{AdminError, Answer},
    store::State,
};

/// The state that was saved, if any was.
pub fn load(path: &Path) -> anyhow::Result<Option<State>> {
    match fs::read(path) {
        Ok(bytes) => {
            let state = serde_json::from_slice(&bytes);
            state
                .map(Some)
                .with_context(|| format!("read {}", path.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Saves the state; a failure is told as the database's would be.
pub fn save(path: &Path, state: &State) -> Answer<()> {
    let saved = serde_json::to_vec(state).map_err(io::Error::from);
    saved
        .and_then(|bytes| replace(path, &bytes))
        .map_err(|error| {
            let text = format!("failed database operation with {error}");
            AdminError::new(Code::Unknown, text)
        })
}

/// Writes a file beside the path and renames it.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

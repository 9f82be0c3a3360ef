//! Which cluster a static token belongs to.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tracing::warn;

/// How long a reading of the files is good. Bounds what strangers can make the hub read.
const FRESH: Duration = Duration::from_secs(2);
/// Longest token, in bytes.
const TOKEN_MAX: usize = 4096;

/// The tokens of all clusters, read from their files.
pub struct Tokens {
    files: BTreeMap<Arc<str>, PathBuf>,
    read: Mutex<Option<(Instant, Arc<Known>)>>,
}

/// Only hashes are kept: they cannot leak a token, and are of one length.
type Known = Vec<(Arc<str>, [u8; 32])>;

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// The tokens in `files`, by cluster.
    pub fn new(files: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        let files = files
            .into_iter()
            .map(|(cluster, file)| (Arc::from(cluster), file))
            .collect();
        Self {
            files,
            read: Mutex::new(None),
        }
    }

    /// The cluster whose token stands in the header value `Bearer …`. Takes the same time
    /// whichever it is, and whether or not there is one.
    pub fn identify(&self, authorization: Option<&str>) -> Option<Arc<str>> {
        let (scheme, token) = authorization?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || token.len() > TOKEN_MAX {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
        let known = self.known();
        let mut matches = known
            .iter()
            .filter(|(_, other)| bool::from(other.ct_eq(&hash)));
        match (matches.next(), matches.next()) {
            (Some((cluster, _)), None) => Some(Arc::clone(cluster)),
            (Some((one, _)), Some((other, _))) => {
                warn!(%one, %other, "two clusters have the same token; neither may connect");
                None
            }
            _ => None,
        }
    }

    fn known(&self) -> Arc<Known> {
        let mut read = self.read.lock();
        if let Some((at, known)) = &*read
            && at.elapsed() < FRESH
        {
            return Arc::clone(known);
        }
        let known = Arc::new(
            self.files
                .iter()
                .filter_map(|(cluster, file)| Some((Arc::clone(cluster), hash(cluster, file)?)))
                .collect(),
        );
        *read = Some((Instant::now(), Arc::clone(&known)));
        known
    }
}

fn hash(cluster: &str, file: &PathBuf) -> Option<[u8; 32]> {
    match fs::read_to_string(file) {
        Ok(token) if !token.trim().is_empty() => {
            Some(Sha256::digest(token.trim().as_bytes()).into())
        }
        Ok(_) => {
            warn!(%cluster, file = %file.display(), "the cluster's token file is empty");
            None
        }
        Err(error) => {
            warn!(%cluster, file = %file.display(), %error, "cannot read the cluster's token file");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(dir: &std::path::Path, tokens: &[(&str, &str)]) -> Tokens {
        Tokens::new(tokens.iter().map(|(cluster, token)| {
            let file = dir.join(cluster);
            fs::write(&file, token).unwrap();
            ((*cluster).to_owned(), file)
        }))
    }

    #[test]
    fn a_token_names_its_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = tokens(
            dir.path(),
            &[("east", "secret-east\n"), ("west", "secret-west")],
        );
        assert_eq!(
            tokens.identify(Some("Bearer secret-east")).as_deref(),
            Some("east")
        );
        assert_eq!(
            tokens.identify(Some("bearer secret-west")).as_deref(),
            Some("west")
        );
        for stranger in [
            None,
            Some(""),
            Some("Bearer "),
            Some("Bearer secret"),
            Some("Basic secret-east"),
        ] {
            assert_eq!(tokens.identify(stranger), None);
        }
    }

    #[test]
    fn empty_and_shared_tokens_open_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = tokens(dir.path(), &[("a", ""), ("b", "same"), ("c", "same")]);
        assert_eq!(tokens.identify(Some("Bearer ")), None);
        assert_eq!(tokens.identify(Some("Bearer same")), None);
    }
}

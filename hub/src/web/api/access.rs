//! Who may read.

use std::{fs, path::PathBuf};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tracing::warn;

/// Longest token, in bytes.
const TOKEN_MAX: usize = 4096;

/// Knows a token by its file.
#[derive(Debug)]
pub(super) struct Access {
    token_file: Option<PathBuf>,
}

impl Access {
    pub fn new(token_file: Option<PathBuf>) -> Self {
        Self { token_file }
    }

    /// Whether the header value `Bearer …` shows the token. Takes the same time whichever it shows.
    pub fn lets_in(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, shown)) = authorization.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        if !scheme.eq_ignore_ascii_case("bearer") || shown.len() > TOKEN_MAX {
            return false;
        }
        let Some(expected) = self.token() else {
            return false;
        };
        Sha256::digest(shown.trim()).ct_eq(&expected).into()
    }

    /// The hash of the token: it is of one length. An empty file lets nobody in.
    fn token(&self) -> Option<[u8; 32]> {
        let file = self.token_file.as_ref()?;
        match fs::read_to_string(file) {
            Ok(token) if !token.trim().is_empty() => Some(Sha256::digest(token.trim()).into()),
            Ok(_) => {
                warn!(file = %file.display(), "the token file of the API is empty");
                None
            }
            Err(error) => {
                warn!(file = %file.display(), %error, "cannot read the token file of the API");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_lets_in_as_the_file_has_it_now() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let access = Access::new(Some(file.clone()));
        assert!(!access.lets_in(Some("Bearer ")));
        for token in ["one", "two"] {
            fs::write(&file, format!("{token}\n")).unwrap();
            assert!(access.lets_in(Some(&format!("Bearer {token}"))));
            assert!(access.lets_in(Some(&format!("bearer {token}"))));
            for wrong in ["Bearer three", "Bearer", "Bearer ", "Basic one", token] {
                assert!(!access.lets_in(Some(wrong)), "{wrong}");
            }
        }
        assert!(!access.lets_in(Some("Bearer one")));
        assert!(!access.lets_in(None));
        fs::write(&file, " \n").unwrap();
        assert!(!access.lets_in(Some("Bearer ")));
        assert!(!Access::new(None).lets_in(Some("Bearer two")));
    }
}

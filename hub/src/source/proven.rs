//! Which blobs a repository was seen to hold.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest as _, Sha256};

use super::names::Digest;

/// Proofs remembered per source, of 32 bytes each. One that is forgotten costs a HEAD request.
const MAX: usize = 65_536;

/// Proofs that a source's credentials reach a blob through a repository.
#[derive(Default)]
pub(super) struct Proven {
    known: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Proven {
    /// Whether it is known that `repository` holds `digest`, with the credentials that `generation`
    /// counts.
    pub(super) fn contains(&self, generation: u64, repository: &str, digest: &Digest) -> bool {
        self.known.contains(&key(generation, repository, digest))
    }

    /// Remembers it, and forgets the oldest where there are too many.
    pub(super) fn insert(&mut self, generation: u64, repository: &str, digest: &Digest) {
        let key = key(generation, repository, digest);
        if self.known.insert(key) {
            self.order.push_back(key);
        }
        if self.order.len() > MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

fn key(generation: u64, repository: &str, digest: &Digest) -> [u8; 32] {
    let text = format!("{generation}\n{repository}\n{digest}");
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_for_one_repository_digest_and_generation() {
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        let mut proven = Proven::default();
        proven.insert(1, "a", &one);
        assert!(proven.contains(1, "a", &one));
        assert!(!proven.contains(1, "b", &one));
        assert!(!proven.contains(1, "a", &other));
        assert!(!proven.contains(2, "a", &one));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let digest = Digest::of(b"1");
        let mut proven = Proven::default();
        for generation in 0..=MAX as u64 {
            proven.insert(generation, "a", &digest);
            proven.insert(generation, "a", &digest);
        }
        assert_eq!((proven.known.len(), proven.order.len()), (MAX, MAX));
        assert!(!proven.contains(0, "a", &digest));
        assert!(proven.contains(1, "a", &digest));
    }
}

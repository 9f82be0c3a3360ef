//! Pages: how many there are at a time, and where the next begins. Pure.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::fleet::{Key, ObjectId};

/// Longest token that is looked at, in bytes.
const TOKEN_MAX: usize = 2048;

/// Items of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit(usize);

impl Limit {
    pub const MAX: usize = 500;
    pub const MAX_U32: u32 = 500;

    pub fn get(self) -> usize {
        self.0
    }

    pub fn read(text: &str) -> Option<Self> {
        let limit = text.parse().ok()?;
        (1..=Self::MAX).contains(&limit).then_some(Self(limit))
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

/// Where a page begins, as only this hub understands it.
#[derive(Debug, Serialize, Deserialize)]
enum Place {
    After(String, String, String),
    Below(i64),
}

/// The token of the page after `id`.
pub(super) fn after(id: &ObjectId) -> String {
    let Key { namespace, name } = id.key.clone();
    token(&Place::After(id.cluster.to_string(), namespace, name))
}

/// The token of the page below `seq`.
pub(super) fn below(seq: i64) -> String {
    token(&Place::Below(seq))
}

/// Reads what [`after`] wrote.
pub(super) fn read_after(token: &str) -> Option<ObjectId> {
    let Place::After(cluster, namespace, name) = read(token)? else {
        return None;
    };
    Some(ObjectId {
        cluster: cluster.into(),
        key: Key { namespace, name },
    })
}

/// Reads what [`below`] wrote.
pub(super) fn read_below(token: &str) -> Option<i64> {
    match read(token)? {
        Place::Below(seq) => Some(seq),
        Place::After(..) => None,
    }
}

fn token(place: &Place) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

fn read(token: &str) -> Option<Place> {
    if token.len() > TOKEN_MAX {
        return None;
    }
    let json = URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_read_as_they_were_written() {
        let id = ObjectId {
            cluster: "east".into(),
            key: Key {
                namespace: "a".to_owned(),
                name: "b".to_owned(),
            },
        };
        assert_eq!(read_after(&after(&id)), Some(id.clone()));
        assert_eq!(read_below(&below(-7)), Some(-7));
        assert_eq!(read_below(&after(&id)), None);
        assert_eq!(read_after(&below(7)), None);
    }

    proptest! {
        #[test]
        fn garbage_is_no_token(text in "[A-Za-z0-9_=-]{0,64}") {
            prop_assert_eq!(read_after(&text), None);
            prop_assert_eq!(read_below(&text), None);
        }
    }
}

//! What the database refuses.

use tonic::Code;

use crate::{
    error::{AdminError, Answer},
    store::Key,
};

/// Largest row of an index, in bytes.
const MAX_INDEX_ROW: usize = 2704;

/// Texts of a row: the database takes no NUL.
pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Answer<()> {
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(fail("invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(())
}

/// A key that is about to be inserted under the index. What the database could
/// compress it refuses here as well.
pub fn key(key: &Key, index: &str) -> Answer<()> {
    let parts = [&key.project, &key.domain, &key.name, &key.version];
    texts(parts.map(String::as_str))?;
    let mut size: usize = 8;
    for part in parts {
        if part.len() < 127 {
            size += 1 + part.len();
        } else {
            size = size.next_multiple_of(4) + 4 + part.len();
        }
    }
    let size = size.next_multiple_of(8);
    if size > MAX_INDEX_ROW {
        return Err(fail(&format!(
            "index row size {size} exceeds btree version 4 maximum {MAX_INDEX_ROW} for index \
             \"{index}\""
        )));
    }
    Ok(())
}

fn fail(text: &str) -> AdminError {
    AdminError::new(
        Code::Unknown,
        format!("failed database operation with {text}"),
    )
}

/// What an insert fails with when there is a row of this key: `ToFlyteAdminError` in
/// `repositories/errors/postgres.go`.
pub fn taken(index: &str) -> AdminError {
    let text = format!(
        "value with matching already exists (duplicate key value violates unique constraint \
         \"{index}\")"
    );
    AdminError::new(Code::AlreadyExists, text)
}

/// What every statement fails with when the database is shut down.
pub fn shut_down() -> AdminError {
    fail("terminating connection due to administrator command")
}

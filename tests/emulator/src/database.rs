//! What the database and the blob store refuse.

use tonic::Code;

use crate::{
    error::{AdminError, Answer},
    golang::text,
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

/// The place of a workflow's closure is a URL: its path must be well escaped.
pub fn closure_reference(key: &Key) -> Answer<()> {
    let Key {
        project,
        domain,
        name,
        version,
    } = key;
    let url = format!("metadata/admin/{project}/{domain}/{name}/{version}");
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let Some(bad) = bad_escape(path) else {
        return Ok(());
    };
    let id = key.identifier(flyte_registration_proto::flyteidl::core::ResourceType::Workflow);
    let text = format!(
        "failed to construct data reference for workflow closure with id [{}] and err Reference \
         is of an invalid format []: parse \"{url}\": invalid URL escape \"{bad}\"",
        text::identifier(Some(&id))
    );
    Err(AdminError::new(Code::Internal, text))
}

fn bad_escape(path: &str) -> Option<&str> {
    path.match_indices('%')
        .map(|(at, _)| &path[at..])
        .find_map(|rest| {
            let end = rest
                .char_indices()
                .nth(3)
                .map_or(rest.len(), |(end, _)| end);
            let escape = &rest[..end];
            let good = escape.len() == 3 && escape[1..].chars().all(|c| c.is_ascii_hexdigit());
            (!good).then_some(escape)
        })
}

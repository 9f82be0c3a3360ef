//! Places in the blob store, which are URLs: `ConstructReference` in flytestdlib's
//! `storage/url_path.go`.

use std::fmt::Write as _;

use crate::storage::Storage;

/// The place below the storage that these keys make; `mem` has no base. `?` and `#` in keys
/// begin a query or a fragment, and dots climb. Fails with the real server's text.
pub fn construct(storage: Option<&Storage>, keys: &[&str]) -> Result<String, String> {
    let base = storage.map_or_else(String::new, |storage| format!("s3://{}", storage.bucket));
    let keys: Vec<_> = keys.iter().map(|key| key.trim_matches('/')).collect();
    let url = keys.join("/");
    let (path, rest) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    if let Some(bad) = bad_escape(path) {
        return Err(format!(
            "Reference is of an invalid format [{base}]: parse \"{url}\": invalid URL escape \
             \"{bad}\""
        ));
    }
    let path = without_dots(path.trim_start_matches('/'));
    Ok(format!("{base}/{}{rest}", escaped(&path)))
}

/// The object's key in the bucket: neither query nor fragment, and without escapes
/// (`DataReference.Split` in flytestdlib's `storage/storage.go`).
pub fn key(reference: &str) -> String {
    let path = reference.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_prefix("s3://").unwrap_or(path);
    let path = path.split_once('/').map_or(path, |(_, key)| key);
    unescaped(path)
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

/// RFC 3986, section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        kept.push("");
    }
    kept.join("/")
}

/// As Go writes the path of a URL. Escapes that are there stay.
fn escaped(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*%".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Of a path whose escapes are good.
fn unescaped(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2).and_then(|two| hex::decode(two).ok()))
            .flatten();
        rest = if escaped.is_some() { &tail[2..] } else { tail };
        bytes.extend(escaped.unwrap_or_else(|| vec![*first]));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{construct, key};

    #[test]
    fn keys_are_taken_for_urls() {
        let place = |version: &str| construct(None, &["a", version]);
        assert_eq!(place("v1").as_deref(), Ok("/a/v1"));
        assert_eq!(place("/v1/").as_deref(), Ok("/a/v1"));
        assert_eq!(place("x/../v1").as_deref(), Ok("/a/v1"));
        assert_eq!(place("v1?x#y").as_deref(), Ok("/a/v1?x#y"));
        assert_eq!(place("ö %41").as_deref(), Ok("/a/%C3%B6%20%41"));
        assert!(place("v%zz").is_err());
        assert_eq!(key("s3://bucket/a/%C3%B6%20%41?x#y"), "a/ö A");
    }
}

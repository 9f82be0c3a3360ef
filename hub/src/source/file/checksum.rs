//! The sha256 that a server says a file has. Pure.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};

use crate::source::names::Digest;

/// Artifactory's, in hexadecimal.
const X_CHECKSUM_SHA256: HeaderName = HeaderName::from_static("x-checksum-sha256");
/// RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
/// RFC 9530: of what this very answer carries.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
/// RFC 3230, which RFC 9530 replaces.
const DIGEST: HeaderName = HeaderName::from_static("digest");

/// Two headers contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contradiction;

/// The sha256 of the file by its headers; `partial` where the answer carries a part of it. Other
/// algorithms, and what cannot be read, are passed over.
pub(super) fn sha256(headers: &HeaderMap, partial: bool) -> Result<Option<Digest>, Contradiction> {
    let mut found: Vec<_> = values(headers, &X_CHECKSUM_SHA256)
        .map(hexadecimal)
        .collect();
    let whole = [REPR_DIGEST, DIGEST].into_iter();
    for name in whole.chain((!partial).then_some(CONTENT_DIGEST)) {
        let members = values(headers, &name).flat_map(|list| list.split(','));
        found.extend(members.map(member));
    }
    let mut found = found.into_iter().flatten();
    let first = found.next();
    if found.any(|other| Some(&other) != first.as_ref()) {
        return Err(Contradiction);
    }
    Ok(first)
}

fn values<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> + use<'a> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
}

fn hexadecimal(text: &str) -> Option<Digest> {
    Digest::parse(&format!("sha256:{}", text.trim().to_ascii_lowercase()))
}

/// `sha-256=:Base64:`, or without the colons as RFC 3230 has it.
fn member(text: &str) -> Option<Digest> {
    let (algorithm, value) = text.trim().split_once('=')?;
    algorithm.eq_ignore_ascii_case("sha-256").then_some(())?;
    let value = value.split(';').next()?.trim_matches(':');
    Digest::parse(&format!(
        "sha256:{}",
        hex::encode(STANDARD.decode(value).ok()?)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        headers: &[(HeaderName, String)],
        partial: bool,
    ) -> Result<Option<Digest>, Contradiction> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        sha256(&map, partial)
    }

    #[test]
    fn digest_headers_that_are_understood() {
        let digest = Digest::of(b"x");
        let base64 = STANDARD.encode(hex::decode(digest.hex()).unwrap());
        for (name, value) in [
            (X_CHECKSUM_SHA256, digest.hex().to_owned()),
            (X_CHECKSUM_SHA256, digest.hex().to_uppercase()),
            (REPR_DIGEST, format!("sha-512=:AAAA:, sha-256=:{base64}:")),
            (REPR_DIGEST, format!("sha-256=:{base64}:;x=1")),
            (CONTENT_DIGEST, format!("sha-256=:{base64}:")),
            (DIGEST, format!("md5=AAAA,SHA-256={base64}")),
        ] {
            assert_eq!(
                read(&[(name, value.clone())], false),
                Ok(Some(digest.clone())),
                "{value}"
            );
        }
        let both = [
            (X_CHECKSUM_SHA256, digest.hex().to_owned()),
            (DIGEST, format!("sha-256={base64}")),
        ];
        assert_eq!(read(&both, false), Ok(Some(digest)));
    }

    #[test]
    fn digest_headers_that_mean_nothing() {
        for (name, value) in [
            (X_CHECKSUM_SHA256, "../../etc".to_owned()),
            (DIGEST, "sha-256=short".to_owned()),
            (DIGEST, "md5=AAAA".to_owned()),
            (REPR_DIGEST, String::new()),
        ] {
            assert_eq!(read(&[(name, value)], false), Ok(None));
        }
    }

    #[test]
    fn digest_headers_that_contradict() {
        let headers =
            [b"x", b"y"].map(|text| (X_CHECKSUM_SHA256, Digest::of(text).hex().to_owned()));
        assert_eq!(read(&headers, false), Err(Contradiction));
    }

    #[test]
    fn the_digest_of_a_part_says_nothing_about_the_file() {
        let base64 = STANDARD.encode(hex::decode(Digest::of(b"x").hex()).unwrap());
        assert_eq!(
            read(&[(CONTENT_DIGEST, format!("sha-256=:{base64}:"))], true),
            Ok(None)
        );
    }
}

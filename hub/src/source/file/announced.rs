//! What an answer says about its file.

use flyte_registration_crd::Reason;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_RANGE, CONTENT_TYPE, ETAG},
};
use reqwest::Response;

use super::checksum;
use crate::source::{
    client::Answer,
    error::{Failure, quoted},
    names::Digest,
};

/// Media types that no archive is served with, however little the server knows of archives.
const PAGES: [&str; 5] = [
    "text/html",
    "application/xhtml+xml",
    "application/json",
    "application/xml",
    "text/xml",
];

/// What a server says about a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Announced {
    pub(super) etag: Option<HeaderValue>,
    pub(super) sha256: Option<Digest>,
    /// Bytes of the whole file.
    pub(super) size: Option<u64>,
    /// The first byte, where only a part is sent.
    part: Option<u64>,
}

impl Announced {
    pub(super) fn by(answer: &Answer) -> Result<Self, Failure> {
        let response = &answer.response;
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        if let Some(text) = text(response) {
            let message = format!("{} sends {}, not an archive", answer.from, quoted(text));
            return Err(Failure::new(Reason::PackageInvalid, message));
        }
        let sha256 = checksum::sha256(response.headers(), partial).map_err(|_| {
            let message = format!("{} announces two digests that differ", answer.from);
            Failure::new(Reason::DigestMismatch, message)
        })?;
        let (part, size) = if partial {
            range(response).unwrap_or((Some(0), None))
        } else {
            (None, response.content_length())
        };
        Ok(Self {
            etag: response.headers().get(ETAG).cloned(),
            sha256,
            size,
            part,
        })
    }

    /// An `ETag` that changes with every byte (RFC 9110, 8.8.1).
    pub(super) fn strong_etag(&self) -> Option<HeaderValue> {
        self.etag
            .clone()
            .filter(|etag| !etag.as_bytes().starts_with(b"W/"))
    }

    /// Whether a later answer can be told to be about the same bytes.
    pub(super) fn is_recognizable(&self) -> bool {
        self.sha256.is_some() || self.strong_etag().is_some()
    }

    /// Whether only a part of the file is sent.
    pub(super) fn is_part(&self) -> bool {
        self.part.is_some()
    }

    /// Whether it goes on at `offset` with the file that `before` was about.
    pub(super) fn continues(&self, before: &Self, offset: u64) -> bool {
        let same_sha256 = self.sha256.is_some() && self.sha256 == before.sha256;
        let same_etag = self.strong_etag().is_some() && self.strong_etag() == before.strong_etag();
        let same_size = before.size.is_none() || self.size == before.size;
        self.part == Some(offset) && same_size && (same_sha256 || same_etag)
    }
}

/// The media type, if it is that of a page or a message: a login form, for example, that came
/// instead of the file.
fn text(response: &Response) -> Option<&str> {
    let media_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = media_type.split(';').next()?.trim();
    PAGES.contains(&media_type).then_some(media_type)
}

/// `Content-Range: bytes FIRST-LAST/SIZE`.
fn range(response: &Response) -> Option<(Option<u64>, Option<u64>)> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (span, size) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = span.split_once('-')?;
    Some((first.parse().ok(), size.parse().ok()))
}

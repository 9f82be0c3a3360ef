use axum::body::Bytes;
use flyte_registration_hub::source::Digest;
use http::HeaderMap;

use super::Answer;

/// A file, as a server of files has it.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub content: Bytes,
    /// With its quotes.
    pub etag: Option<&'static str>,
    /// Sent with each answer.
    pub headers: Vec<(&'static str, String)>,
}

impl File {
    /// One that says nothing about itself.
    pub fn bare(content: &[u8]) -> Self {
        Self {
            content: Bytes::copy_from_slice(content),
            ..Self::default()
        }
    }

    pub fn with_etag(self, etag: &'static str) -> Self {
        Self {
            etag: Some(etag),
            ..self
        }
    }

    /// Announces the sha256 of `content` as Artifactory does.
    pub fn with_checksum_of(mut self, content: &[u8]) -> Self {
        let digest = Digest::of(content).hex().to_owned();
        self.headers.push(("x-checksum-sha256", digest));
        self
    }

    pub(super) fn answer(&self, headers: &HeaderMap) -> Answer {
        let asked = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut more = self.headers.clone();
        more.extend(self.etag.map(|etag| ("etag", etag.to_owned())));
        if self.etag.is_some() && asked("if-none-match") == self.etag {
            return (304, more, Bytes::new());
        }
        let unchanged = asked("if-range").is_none() || asked("if-range") == self.etag;
        let offset = asked("range").and_then(|range| {
            let offset = range.strip_prefix("bytes=")?.strip_suffix('-')?;
            offset.parse::<usize>().ok()
        });
        if let Some(offset) = offset.filter(|_| unchanged) {
            let size = self.content.len();
            more.push((
                "content-range",
                format!("bytes {offset}-{}/{size}", size - 1),
            ));
            return (206, more, self.content.slice(offset..));
        }
        (200, more, self.content.clone())
    }
}

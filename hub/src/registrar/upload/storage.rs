//! What is said to the storage that FlyteAdmin names, and what it answers.

use std::{path::PathBuf, sync::OnceLock, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use flyte_registration_crd::Reason;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use reqwest::{Client, Response, redirect};

use super::{Failed, Location};
use crate::{
    package::Code,
    registrar::{FlyteAdminConfig, Trouble},
    source::authorities,
};

/// Most headers of an answer that are sent along.
const HEADERS_MAX: usize = 32;
/// As much of an error of the storage as is read.
const ERROR_MAX: usize = 4 << 10;
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Speaks to the storages that FlyteAdmin names.
#[derive(Debug)]
pub(in crate::registrar) struct Storage {
    ca_file: Option<PathBuf>,
    pub(super) timeout: Duration,
    // Made on its first use, as most packages bring no code.
    client: OnceLock<Client>,
}

impl Storage {
    pub(in crate::registrar) fn new(config: &FlyteAdminConfig) -> Self {
        Self {
            ca_file: config.ca_file.clone(),
            timeout: config.call_timeout,
            client: OnceLock::new(),
        }
    }

    pub(super) fn client(&self) -> Result<&Client, Failed> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let unusable = |error: &dyn std::error::Error| Failed::for_good(&format!("{error}"));
        let authorities = authorities(self.ca_file.as_deref()).map_err(|error| unusable(&error))?;
        let client = Client::builder()
            .tls_certs_merge(authorities)
            .connect_timeout(self.timeout)
            // A signature holds for one place only.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|error| unusable(&error))?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// What the answer asks for, but for the length: FlyteAdmin gives that of the MD5's text.
pub(super) fn headers(location: &Location, code: &Code) -> HeaderMap {
    let ours = [
        CONTENT_LENGTH,
        CONTENT_MD5,
        HOST,
        CONNECTION,
        TRANSFER_ENCODING,
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in location.headers.iter().take(HEADERS_MAX) {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) && !ours.contains(&name)
        {
            headers.insert(name, value);
        }
    }
    headers.insert(CONTENT_LENGTH, code.size.into());
    if let Ok(md5) = HeaderValue::from_str(&BASE64_STANDARD.encode(code.md5)) {
        headers.insert(CONTENT_MD5, md5);
    }
    headers
}

pub(super) async fn refused(mut answer: Response) -> Failed {
    let status = answer.status();
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() >= ERROR_MAX {
            break;
        }
    }
    let word = error_code(&String::from_utf8_lossy(&body));
    let failed = Failed::to_arrive(format!("it answers {status} {word}").trim_end());
    if status == StatusCode::PAYLOAD_TOO_LARGE || word == "EntityTooLarge" {
        return Failed {
            trouble: Trouble {
                reason: Reason::PackageTooLarge,
                ..failed.trouble
            },
            again: false,
        };
    }
    failed
}

/// The word for what is wrong, out of an error of S3, GCS or Azure. Only that: the rest
/// holds what was signed.
fn error_code(text: &str) -> String {
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    match code {
        Some((code, _)) if code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric()) => {
            code.to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_of_an_error_is_told() {
        let text = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
            <StringToSign>secret</StringToSign></Error>";
        assert_eq!(error_code(text), "SignatureDoesNotMatch");
        assert_eq!(error_code("<Code>a b</Code>"), "");
        assert_eq!(error_code("<Code>cut"), "");
        assert_eq!(error_code(""), "");
    }

    #[test]
    fn headers_are_applied_but_the_length() {
        let code = Code {
            name: "fast0.tar.gz".to_owned(),
            md5: [0; 16],
            size: 10_240,
        };
        let asked = [
            ("Content-Length", "24"),
            ("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("x-ms-blob-type", "BlockBlob"),
            ("Host", "elsewhere"),
            ("Transfer-Encoding", "chunked"),
            ("not a header", ""),
        ];
        let location = Location {
            headers: asked.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            ..Location::default()
        };
        let sent = headers(&location, &code);
        let mut sent: Vec<_> = sent
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        sent.sort_unstable();
        assert_eq!(
            sent,
            [
                ("content-length", "10240"),
                ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
                ("x-ms-blob-type", "BlockBlob"),
            ]
        );
    }
}

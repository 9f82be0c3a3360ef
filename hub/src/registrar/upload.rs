//! Brings a package's code to where its tasks will look for it.
//!
//! FlyteAdmin signs a URL of its storage, and the tar goes there with one PUT. As flytectl
//! v1.16.8 does, MD5 and body are those of the uncompressed tar: the object's address
//! holds the MD5, and with it the tasks' arguments.

use std::{
    io::{self, BufWriter, Read, Write},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flyte_registration_crd::Reason;
use flyte_registration_proto::flyteidl::service::CreateUploadLocationRequest;
pub(super) use flyte_registration_proto::flyteidl::service::CreateUploadLocationResponse as Location;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use reqwest::{Body, Certificate, Client, Response, Url, redirect};
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code as Status;

use super::{
    FlyteAdminConfig, Trouble,
    admin::{Admin, Method},
    classify::{Verdict, classify, trouble},
    patience::{Patience, patiently},
};
use crate::package::{Code, Target, copy_code};

/// Opens the package that a plan was made of, once for each attempt to upload its code.
pub type Open<'a> = &'a (dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync);

/// Bytes that are sent at a time. A few of those are all that is held of the code.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the network.
const PIECES: usize = 4;
/// Slower than so many bytes a second is taken for standing still.
const SLOWEST: u64 = 512 << 10;
/// Most headers of an answer that are sent along.
const HEADERS_MAX: usize = 32;
/// As much of an error of the storage as is read.
const ERROR_MAX: usize = 4 << 10;
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Speaks to the storages that FlyteAdmin names.
#[derive(Debug)]
pub(super) struct Storage {
    ca_file: Option<PathBuf>,
    timeout: Duration,
    // Made on its first use, as most packages bring no code.
    client: OnceLock<Client>,
}

impl Storage {
    pub(super) fn new(config: &FlyteAdminConfig) -> Self {
        Self {
            ca_file: config.ca_file.clone(),
            timeout: config.call_timeout,
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> Result<&Client, Failed> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let unusable = |error: &dyn std::error::Error| Failed::for_good(&format!("{error}"));
        let mut authorities = Vec::new();
        if let Some(path) = &self.ca_file {
            let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
            authorities = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error))?;
        }
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

/// Asks for where the code is to go. Nothing is written by it.
pub(super) async fn locate(
    admin: &Admin,
    target: &Target,
    code: &Code,
    patience: &Patience,
) -> Result<Location, Trouble> {
    // No name or MD5 of ours may be left out: FlyteAdmin would make something up.
    let request = CreateUploadLocationRequest {
        project: target.project.clone(),
        domain: target.domain.clone(),
        filename: code.name.clone(),
        content_md5: code.md5.to_vec(),
        ..CreateUploadLocationRequest::default()
    };
    let call = || admin.typed(Method::CREATE_UPLOAD_LOCATION, &request);
    let location: Location = patiently(patience, call).await.map_err(|status| {
        match classify(status.code(), status.message()) {
            Verdict::No(reason) => trouble(reason, &status),
            _ if status.code() == Status::Unimplemented => {
                Failed::for_good("it takes no uploads").trouble
            }
            _ => trouble(Reason::FlyteUnavailable, &status),
        }
    })?;
    if location.native_url.is_empty() {
        return Err(Failed::for_good("it names no place for it").trouble);
    }
    Ok(location)
}

/// The upload of one plan's code.
#[derive(Clone, Copy)]
pub(super) struct Upload<'a> {
    pub(super) admin: &'a Admin,
    pub(super) storage: &'a Storage,
    pub(super) target: &'a Target,
    pub(super) code: &'a Code,
    pub(super) package: Open<'a>,
}

/// Why the code did not arrive.
#[derive(Debug)]
struct Failed {
    trouble: Trouble,
    /// Whether a fresh URL may help.
    again: bool,
}

impl Failed {
    fn to_arrive(message: &str) -> Self {
        Self {
            trouble: Trouble {
                reason: Reason::FlyteUnavailable,
                message: format!("the code cannot be uploaded to FlyteAdmin's storage: {message}"),
            },
            again: true,
        }
    }

    fn for_good(message: &str) -> Self {
        Self {
            again: false,
            ..Self::to_arrive(message)
        }
    }
}

impl Upload<'_> {
    /// Sends the code to `location`, and to fresh ones of the same object as long as there
    /// is patience: URLs expire, and connections break.
    pub(super) async fn put(
        &self,
        mut location: Location,
        patience: &Patience,
    ) -> Result<(), Trouble> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let Err(failed) = self.send(&location).await else {
                tracing::info!(object = location.native_url, attempts, "code uploaded");
                return Ok(());
            };
            tracing::debug!(attempts, "{}", failed.trouble);
            if !failed.again {
                return Err(failed.trouble);
            }
            match patience.wait(attempts, Instant::now(), rand::random()) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(failed.trouble),
            }
            let fresh = locate(self.admin, self.target, self.code, patience).await?;
            // The plan holds the first one.
            if fresh.native_url != location.native_url {
                return Err(Failed::to_arrive("it names another place each time").trouble);
            }
            location = fresh;
        }
    }

    async fn send(&self, location: &Location) -> Result<(), Failed> {
        let url = Url::parse(&location.signed_url)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()))
            .ok_or_else(|| Failed::for_good("its URL is none"))?;
        let package = (self.package)().map_err(|_| lost())?;
        let (body, unreadable) = stream(package, self.code.clone());
        let slowest = Duration::from_secs(self.code.size / SLOWEST);
        let answer = self
            .storage
            .client()?
            .put(url)
            .headers(headers(location, self.code))
            .timeout(self.storage.timeout + slowest)
            .body(body)
            .send()
            .await;
        match answer {
            Ok(answer) if [StatusCode::OK, StatusCode::CREATED].contains(&answer.status()) => {
                Ok(())
            }
            _ if unreadable.load(Ordering::Acquire) => Err(lost()),
            Ok(answer) => Err(refused(answer).await),
            // The URL is a secret: whoever has it may write there.
            Err(error) => Err(Failed::to_arrive(&causes(&error.without_url()))),
        }
    }
}

/// The package was there when the plan was made; the next attempt fetches it again.
fn lost() -> Failed {
    Failed {
        trouble: Trouble {
            reason: Reason::SourceUnavailable,
            message: "the package is no longer in the cache".to_owned(),
        },
        again: false,
    }
}

/// The code as a body, and whether reading it failed. It is read in a thread of its own,
/// as fast as it is sent, which ends with the body.
fn stream(package: Box<dyn Read + Send>, code: Code) -> (Body, Arc<AtomicBool>) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let failed = Arc::new(AtomicBool::new(false));
    let unreadable = Arc::clone(&failed);
    tokio::task::spawn_blocking(move || {
        let mut sink = BufWriter::with_capacity(PIECE, Pieces(&sender));
        let copied = copy_code(package, &code, &mut sink).and_then(|()| sink.flush());
        // What is left in the buffer would be sent after all.
        drop(sink.into_parts());
        if let Err(error) = copied
            && !sender.is_closed()
        {
            failed.store(true, Ordering::Release);
            // Without it the body would seem to be whole.
            let _ = sender.blocking_send(Err(error));
        }
    });
    (Body::wrap_stream(ReceiverStream::new(receiver)), unreadable)
}

struct Pieces<'a>(&'a Sender<io::Result<Bytes>>);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the answer asks for, but for the length: FlyteAdmin gives that of the MD5's text.
fn headers(location: &Location, code: &Code) -> HeaderMap {
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

async fn refused(mut answer: Response) -> Failed {
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

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    flyte_registration_crd::bounded(&text, 200)
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

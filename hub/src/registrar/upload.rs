//! Brings a package's code to where its tasks will look for it.
//!
//! FlyteAdmin signs a URL of its storage, and the tar goes there with one PUT. As flytectl
//! v1.16.8 does, MD5 and body are those of the uncompressed tar: the object's address
//! holds the MD5, and with it the tasks' arguments.

use std::{
    io::{self, Read},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use flyte_registration_crd::Reason;
use flyte_registration_proto::flyteidl::service::CreateUploadLocationRequest;
pub(super) use flyte_registration_proto::flyteidl::service::CreateUploadLocationResponse as Location;
use http::StatusCode;
use reqwest::Url;
use tonic::Code as Status;

use super::{
    Trouble,
    admin::{Admin, Method},
    classify::{Verdict, classify, trouble},
    patience::{Patience, patiently},
};
use crate::package::{Code, Target};

mod body;
mod storage;
pub(super) use storage::Storage;
use storage::{headers, refused};

/// Opens the package that a plan was made of, once for each attempt to upload its code.
pub type Open<'a> = &'a (dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync);

/// Slower than so many bytes a second is taken for standing still.
const SLOWEST: u64 = 512 << 10;

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
        let (body, unreadable) = body::stream(package, self.code.clone());
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

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    flyte_registration_crd::bounded(&text, 200)
}

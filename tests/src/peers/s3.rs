use std::{fs, path::PathBuf};

use anyhow::Result;

use super::answers;
use crate::{
    paths::{free_port, peer_binary, run_dir},
    process::Process,
    tls::client,
};

/// The access key, which the emulator of FlyteAdmin signs with unless told otherwise.
const KEY_ID: &str = "conformance";
const SECRET: &str = "conformance-secret";
const BUCKET: &str = "conformance";

/// An S3 (versitygw) that keeps its objects in a folder. It refuses wrong signatures, and
/// bodies that are not what their `Content-MD5` says.
pub struct S3 {
    process: Process,
    url: String,
}

impl S3 {
    /// Starts one with one empty bucket, `conformance`.
    pub async fn start(name: &str) -> Result<Self> {
        let dir = run_dir(name)?;
        fs::create_dir_all(dir.join("data").join(BUCKET))?;
        fs::create_dir_all(dir.join("metadata"))?;
        let host = format!("127.0.0.1:{}", free_port()?);
        let args = [
            "--port".into(),
            host.clone().into(),
            "--access".into(),
            KEY_ID.into(),
            "--secret".into(),
            SECRET.into(),
            "--health".into(),
            "/health".into(),
            "posix".into(),
            // Not every filesystem that tests run on has extended attributes.
            "--sidecar".into(),
            dir.join("metadata").into_os_string(),
            dir.join("data").into_os_string(),
        ];
        let process = Process::start(name, &dir, &peer_binary("versitygw"), args, &[])?;
        let url = format!("http://{host}");
        answers(&process, &client(None)?, &format!("{url}/health")).await?;
        Ok(Self { process, url })
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the object of a `s3://conformance/…` URL is kept.
    pub fn object(&self, native_url: &str) -> PathBuf {
        let key = native_url.trim_start_matches("s3://");
        self.process.dir().join("data").join(key)
    }

    /// How many requests with `method` it has answered with this status.
    pub fn count(&self, method: &str, status: u16) -> usize {
        let (status, method) = (format!("| {status} |"), format!("| {method} |"));
        self.process
            .log()
            .lines()
            .filter(|line| line.contains(&status) && line.contains(&method))
            .count()
    }
}

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use md5::Md5;
use parking_lot::Mutex;
use reqwest::{Client, RequestBuilder};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{
    access_log::{self, Request},
    answers,
};
use crate::{
    paths::{free_port, run_dir},
    process::Process,
    tls::{Authority, client},
};

/// nginx that serves files for download as Artifactory does: with a login, and checksums in headers.
pub struct Nginx {
    process: Process,
    host: String,
    options: Options,
    authority: Option<PathBuf>,
    client: Client,
    /// Path, and the content that its checksum headers speak of.
    checksums: Mutex<Vec<(String, Vec<u8>)>>,
}

/// How it is reached.
#[derive(Clone, Copy)]
pub struct Options {
    /// Plain HTTP if false.
    pub tls: bool,
    /// What it wants to see.
    pub access: Access,
}

/// Who may download.
#[derive(Clone, Copy)]
pub enum Access {
    /// Anyone.
    Anonymous,
    /// A user with a password.
    Basic(&'static str, &'static str),
    /// The owner of a token.
    Bearer(&'static str),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: true,
            access: Access::Basic("downloader", "nginx-password"),
        }
    }
}

impl Nginx {
    /// Whether it can be started: it is no peer that is built, but comes with the system.
    pub fn is_installed() -> bool {
        program().is_ok()
    }

    /// Starts one without files.
    pub async fn start(name: &str, options: Options) -> Result<Self> {
        let dir = run_dir(name)?;
        for folder in ["files", "checksums", "temporary"] {
            fs::create_dir(dir.join(folder))?;
        }
        let host = format!("127.0.0.1:{}", free_port()?);
        let (mut authority, mut pem) = (None, None);
        if options.tls {
            let own = Authority::new(&format!("{name} CA"))?;
            own.issue(&dir, "serving", &["nginx"])?;
            authority = Some(own.write(&dir)?);
            pem = Some(own.pem());
        }
        if let Access::Basic(user, password) = options.access {
            let line = format!("{user}:{}\n", bcrypt::hash(password, 4)?);
            fs::write(dir.join("htpasswd"), line)?;
        }
        let config = dir.join("nginx.conf");
        fs::write(&config, configuration(&dir, &host, options))?;
        write_checksums(&dir, &[])?;
        let args = [
            "-e".as_ref(),
            "stderr".as_ref(),
            "-p".as_ref(),
            dir.as_os_str(),
            "-c".as_ref(),
            config.as_os_str(),
        ];
        let process = Process::start(name, &dir, &program()?, args, &[])?;
        let nginx = Self {
            process,
            host,
            options,
            authority,
            client: client(pem.as_deref())?,
            checksums: Mutex::default(),
        };
        nginx.ready().await?;
        Ok(nginx)
    }

    /// Serves `content` at `path`, which begins with a slash; downloads under way break. Its checksum headers are those of
    /// `claimed`: of the content itself, of another for a test of what happens then, or there are none.
    pub async fn put(&self, path: &str, content: &[u8], claimed: Option<&[u8]>) -> Result<()> {
        let relative = path.strip_prefix('/').context("path without a slash")?;
        let file = self.process.dir().join("files").join(relative);
        fs::create_dir_all(file.parent().context("path without a folder")?)?;
        fs::write(&file, content)?;
        {
            let mut checksums = self.checksums.lock();
            checksums.retain(|(other, _)| other != path);
            checksums.extend(claimed.map(|claimed| (path.to_owned(), claimed.to_vec())));
            write_checksums(self.process.dir(), &checksums)?;
        }
        // What it has answered shall be in its log before it is killed.
        self.requests().await?;
        // A single process cannot read its configuration again.
        self.process.kill()?;
        self.process.start_again()?;
        self.ready().await
    }

    async fn ready(&self) -> Result<()> {
        answers(&self.process, &self.client, &self.url("/ready")).await
    }

    /// `host:port`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What it wants to see.
    pub fn access(&self) -> Access {
        self.options.access
    }

    /// The certificate of its authority, if it has TLS.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// The URL of a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.options.tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.host)
    }

    /// A client that trusts it. It does not log in, see [`Nginx::authorized`].
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Adds the login to a request.
    pub fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match self.options.access {
            Access::Anonymous => request,
            Access::Basic(user, password) => request.basic_auth(user, Some(password)),
            Access::Bearer(token) => request.bearer_auth(token),
        }
    }

    /// The process, to kill.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// All requests that it has answered up to now, from its access log.
    pub async fn requests(&self) -> Result<Vec<Request>> {
        access_log::settled(&self.process, &self.client, &self.url("/ready")).await
    }

    /// How many requests with `method` and a path that contains `part` it has answered with 2xx.
    pub async fn count(&self, method: &str, part: &str) -> Result<usize> {
        let requests = self.requests().await?;
        Ok(access_log::count(&requests, method, part))
    }
}

/// Debian has it where only root looks.
fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders
        .map(|folder| folder.join("nginx"))
        .find(|program| program.exists())
        .context("nginx is missing. On Debian and Ubuntu: apt-get install nginx")
}

/// One process without workers, which a SIGKILL would leave behind.
fn configuration(dir: &Path, host: &str, options: Options) -> String {
    let dir = dir.display();
    let (listen, tls) = if options.tls {
        let files =
            format!("ssl_certificate {dir}/serving.pem; ssl_certificate_key {dir}/serving.key;");
        (format!("{host} ssl"), files)
    } else {
        (host.to_owned(), String::new())
    };
    let access = match options.access {
        Access::Anonymous => String::new(),
        Access::Basic(..) => {
            format!("auth_basic \"Artifactory Realm\"; auth_basic_user_file {dir}/htpasswd;")
        }
        Access::Bearer(token) => {
            format!("if ($http_authorization != \"Bearer {token}\") {{ return 401; }}")
        }
    };
    format!(
        r"
daemon off;
master_process off;
pid {dir}/nginx.pid;
events {{}}
http {{
    access_log /dev/stdout combined;
    client_body_temp_path {dir}/temporary/body;
    proxy_temp_path {dir}/temporary/proxy;
    fastcgi_temp_path {dir}/temporary/fastcgi;
    uwsgi_temp_path {dir}/temporary/uwsgi;
    scgi_temp_path {dir}/temporary/scgi;
    map_hash_bucket_size 512;
    map $uri $sha256 {{ include {dir}/checksums/sha256; }}
    map $uri $sha1 {{ include {dir}/checksums/sha1; }}
    map $uri $md5 {{ include {dir}/checksums/md5; }}
    server {{
        listen {listen};
        {tls}
        location = /ready {{ return 204; }}
        location / {{
            {access}
            root {dir}/files;
            add_header X-Checksum-Sha256 $sha256;
            add_header X-Checksum-Sha1 $sha1;
            add_header X-Checksum-Md5 $md5;
        }}
    }}
}}
"
    )
}

fn write_checksums(dir: &Path, all: &[(String, Vec<u8>)]) -> Result<()> {
    let write = |name: &str, digest: fn(&[u8]) -> String| {
        let lines = all
            .iter()
            .fold(String::new(), |mut lines, (path, content)| {
                let _ = writeln!(lines, "\"{path}\" {};", digest(content));
                lines
            });
        fs::write(dir.join("checksums").join(name), lines)
    };
    write("sha256", |content| hex::encode(Sha256::digest(content)))?;
    write("sha1", |content| hex::encode(Sha1::digest(content)))?;
    write("md5", |content| hex::encode(Md5::digest(content)))?;
    Ok(())
}

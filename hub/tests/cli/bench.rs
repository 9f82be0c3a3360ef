//! The program, files for it, and the FlyteAdmin that it speaks to.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use flyte_registration_fixtures::{
    builder::Files,
    packages::{ETL, FAST, FEATURES},
};
use flyteadmin_emulator::{Emulator, Options, counters::Snapshot, http::Schedule};
use serde_json::Value;
use tempfile::TempDir;

pub struct Bench {
    pub emulator: Emulator,
    pub dir: TempDir,
    /// Where the program is told to register.
    pub project: &'static str,
    pub domain: &'static str,
}

/// What the program said.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(&Options::default()).await
    }

    pub async fn with(options: &Options) -> Self {
        let emulator = Emulator::start(options).await.unwrap();
        let bench = Self {
            emulator,
            dir: tempfile::tempdir().unwrap(),
            project: "flytesnacks",
            domain: "development",
        };
        bench.file("etl.tgz", ETL);
        bench.file("features.tgz", FEATURES);
        bench.file("features-fast.tgz", FAST);
        bench
    }

    /// Writes a file into the folder that the program runs in.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// `command package` for version v1 in the FlyteAdmin of the bench, with `more`.
    pub async fn run(&self, command: &str, package: &str, more: &[&str]) -> Ran {
        self.run_as(command, package, "v1", more).await
    }

    /// The same for another version.
    pub async fn run_as(&self, command: &str, package: &str, version: &str, more: &[&str]) -> Ran {
        let mut command = self.command(command, package, version);
        command.args(more);
        finished(command).await
    }

    pub fn command(&self, command: &str, package: &str, version: &str) -> Command {
        let mut all = program(&[command, package]);
        all.args(["--project", self.project, "--domain", self.domain])
            .args(["--version", version, "--insecure", "--admin-endpoint"])
            .arg(self.emulator.grpc.to_string())
            .current_dir(self.dir.path());
        all
    }

    /// What FlyteAdmin was asked since the last time.
    pub fn counts(&self) -> Snapshot {
        let counters = self.emulator.counters();
        let snapshot = counters.snapshot();
        counters.reset();
        snapshot
    }

    /// Adds a fault, as JSON.
    pub fn fault(&self, rule: &str) {
        let faults = self.emulator.faults();
        faults.add(vec![serde_json::from_str(rule).unwrap()]);
    }

    /// Versions whose schedule runs.
    pub async fn running(&self) -> Vec<String> {
        let url = format!("http://{}/schedules", self.emulator.http);
        // The client wants a provider even for plain HTTP.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let rows: Vec<Schedule> = reqwest::get(url).await.unwrap().json().await.unwrap();
        let running = rows.into_iter().filter(|row| row.active);
        running.map(|row| row.version).collect()
    }
}

/// The program with arguments.
pub fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flyte-registration-hub"));
    command.args(args);
    command
}

/// Waits for its end. The emulator runs in the very thread of the test.
pub async fn finished(mut command: Command) -> Ran {
    let output = tokio::task::spawn_blocking(move || command.output());
    output.await.unwrap().unwrap().into()
}

/// RPCs that write.
pub fn writes(counts: &Snapshot) -> Vec<&String> {
    let reads = |rpc: &&String| {
        // Signs a URL.
        rpc.starts_with("Get") || rpc.starts_with("List") || *rpc == "CreateUploadLocation"
    };
    counts.by_rpc.keys().filter(|rpc| !reads(rpc)).collect()
}

/// The package with another image in each of its tasks, of the same length.
pub fn with_other_images(package: &[u8]) -> Vec<u8> {
    let mut files = Files::of(package);
    for (_, content) in &mut files.0 {
        let needle = b"ghcr.io/";
        for at in 0..content.len().saturating_sub(needle.len()) {
            if content[at..].starts_with(needle) {
                content[at..at + 4].copy_from_slice(b"quay");
            }
        }
    }
    files.package()
}

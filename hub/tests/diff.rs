//! The command `diff`, against an emulator of FlyteAdmin.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use flyte_registration_hub::{
    package::{Limits, Selection, Target, plan, read},
    registrar::{FlyteAdminConfig, Registrar},
};
use flyteadmin_emulator::{Emulator, Options};
use tempfile::TempDir;

const ETL: &[u8] = include_bytes!("fixtures/etl.tgz");
const FEATURES: &[u8] = include_bytes!("fixtures/features.tgz");

/// Files for the command, and the FlyteAdmin that its configuration names.
struct Bench {
    emulator: Emulator,
    dir: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let emulator = Emulator::start(&Options::default()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "flyteAdmins: {{main: {{endpoint: '{}', insecure: true}}}}",
            emulator.grpc
        );
        fs::write(dir.path().join("hub.yaml"), config).unwrap();
        Self { emulator, dir }
    }

    fn package(&self, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join("package.tgz");
        fs::write(&path, bytes).unwrap();
        path
    }

    async fn register(&self, bytes: &[u8]) {
        let config = format!(
            r#"{{"endpoint": "{}", "insecure": true}}"#,
            self.emulator.grpc
        );
        let config: FlyteAdminConfig = serde_json::from_str(&config).unwrap();
        let target = Target {
            project: "flytesnacks".to_owned(),
            domain: "development".to_owned(),
            version: "v1".to_owned(),
        };
        let archive = read(bytes, &Limits::default()).unwrap();
        let plan = plan(&archive, &target, &Selection::default()).unwrap();
        let report = Registrar::new("main", &config)
            .unwrap()
            .register(&plan)
            .await;
        assert_eq!(report.failure, None);
    }

    async fn diff(&self, admin: &str, package: &Path) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flyte-registration-hub"));
        command
            .args(["diff", "--flyte-admin", admin, "--config"])
            .arg(self.dir.path().join("hub.yaml"))
            .args(["--project", "flytesnacks", "--domain", "development"])
            .args(["--version", "v1"])
            .arg(package);
        // The emulator runs in this very thread.
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }
}

#[tokio::test]
async fn identical_is_zero_and_different_is_one() {
    let bench = Bench::new().await;
    let package = bench.package(ETL);
    let (code, out, _) = bench.diff("main", &package).await;
    assert_eq!(code, Some(1));
    assert!(
        out.ends_with("0 the same, 0 different, 10 not registered\n"),
        "{out}"
    );

    bench.register(ETL).await;
    bench.emulator.counters().reset();
    let (code, out, err) = bench.diff("main", &package).await;
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "10 the same, 0 different, 0 not registered\n"),
        "{err}"
    );
    let calls = bench.emulator.counters().snapshot().by_rpc;
    assert!(calls.keys().all(|rpc| rpc.starts_with("Get")), "{calls:?}");
}

#[tokio::test]
async fn what_differs_is_printed() {
    let bench = Bench::new().await;
    bench.register(ETL).await;
    let package = bench.package(&changed());
    let (code, out, err) = bench.diff("main", &package).await;
    assert_eq!(code, Some(1), "{err}");
    insta::assert_snapshot!(out);
}

/// The package with another image in each of its tasks, of the same length.
fn changed() -> Vec<u8> {
    use std::io::Write as _;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(ETL));
    let mut builder = tar::Builder::new(Vec::new());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        let needle = b"ghcr.io/";
        for at in 0..content.len().saturating_sub(needle.len()) {
            if content[at..].starts_with(needle) {
                content[at..at + 4].copy_from_slice(b"quay");
            }
        }
        builder
            .append(&entry.header().clone(), content.as_slice())
            .unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&builder.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test]
async fn misuse_and_failures_are_two() {
    let bench = Bench::new().await;
    let package = bench.package(FEATURES);
    let (code, _, err) = bench.diff("nope", &package).await;
    assert_eq!(code, Some(2));
    assert!(
        err.contains("there is no FlyteAdmin nope; there are: main"),
        "{err}"
    );
    let (code, _, err) = bench.diff("main", Path::new("/nowhere.tgz")).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("/nowhere.tgz"), "{err}");
    bench.emulator.faults().add(vec![
        serde_json::from_str(r#"{"action": {"fail": {"code": 16, "message": "who?"}}}"#).unwrap(),
    ]);
    let (code, _, err) = bench.diff("main", &package).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("who?"), "{err}");
}

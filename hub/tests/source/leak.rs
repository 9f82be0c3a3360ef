//! No secret in any log line, error or status, at trace level too.

use std::{fmt::Write as _, io};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt as _};

use super::*;
use crate::registry::{Access, Fault, File, USER};

/// In every secret, so that each can be recognized whatever stands around it.
const MARK: &str = "hunter2-is-secret";

/// Keeps all that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

/// A configuration for each kind of credentials.
fn configs(authority: &str, dir: &Path) -> Vec<SourceConfig> {
    let write = |name: &str, text: &str| {
        let file = dir.join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let secret = write("secret", MARK);
    let user = write("user", &format!("user-{MARK}"));
    let auth = STANDARD.encode(format!("{USER}:{MARK}"));
    let docker = write(
        "docker",
        &json!({"auths": {authority: {"auth": auth}}}).to_string(),
    );
    let broken = write(
        "broken",
        &json!({"auths": {authority: {"auth": MARK}}}).to_string(),
    );
    let credentials = [
        json!({"username": USER, "passwordFile": secret}),
        json!({"usernameFile": user, "passwordFile": secret}),
        json!({"tokenFile": secret}),
        json!({"dockerConfigFile": docker}),
        json!({"dockerConfigFile": broken}),
    ];
    let url = format!("http://{authority}");
    let files = credentials[..3].iter().flat_map(|more| {
        ["http", "artifactory"]
            .map(|kind| config(json!({"kind": kind, "url": url, "plainHttp": true}), more))
    });
    let registries = credentials.iter().map(|more| plain(authority, more));
    registries.chain(files).collect()
}

async fn provoke(setup: &Setup, registry: &Registry, seen: &mut String) {
    let signed = format!("https://localhost:1/x?X-Amz-Signature={MARK}");
    let challenge = format!("Bearer realm=\"https://elsewhere.invalid/token?key={MARK}\"");
    let faults = [
        Fault::Status(401, &[]),
        Fault::Status(500, &[]),
        Fault::BreakAfter(3),
        Fault::Redirect(signed),
        Fault::Redirect(format!("/v2/pkg/blobs/x?X-Amz-Signature={MARK}")),
        Fault::Redirect(format!("http://user:{MARK}@localhost/x")),
        Fault::Challenge(challenge),
        Fault::Body(format!("{{\"token\": \"{MARK}\", \"expires_in\": \"soon\"}}").into()),
    ];
    for access in [Access::Open, Access::Basic, Access::Token] {
        registry.access(access.clone(), MARK);
        for fault in std::iter::once(None).chain(faults.iter().cloned().map(Some)) {
            for path in ["/manifests/", "/blobs/", "/token", ".tgz"] {
                if let Some(fault) = &fault {
                    registry.fault(path, 1, fault.clone());
                }
            }
            match setup.fetch("pkg").await {
                Ok(fetched) => writeln!(seen, "{fetched:?}").unwrap(),
                Err(error) => {
                    writeln!(seen, "{error} {error:?}").unwrap();
                    let mut source = std::error::Error::source(&error);
                    while let Some(error) = source {
                        writeln!(seen, "{error} {error:?}").unwrap();
                        source = error.source();
                    }
                }
            }
            registry.forget_faults();
        }
    }
}

#[tokio::test]
async fn leak_of_no_secret_into_logs_errors_and_statuses() {
    let log = Log::default();
    // For this thread, which all of the test runs on; what logs through `log` comes as well.
    let _guard = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish()
        .set_default();
    let dir = tempfile::tempdir().unwrap();
    let mut seen = String::new();
    for number in 0..11 {
        let registry = Registry::start().await;
        registry.package("pkg", "v1", b"the package");
        registry.file("/pkg_v1.tgz", File::bare(b"the package").with_etag("\"1\""));
        let config = configs(&registry.authority, dir.path()).swap_remove(number);
        writeln!(seen, "{config:?}").unwrap();
        provoke(&Setup::new(config), &registry, &mut seen).await;
    }
    let logged = String::from_utf8(log.0.lock().clone()).unwrap();
    assert!(logged.contains("TRACE"), "the log was caught");
    assert!(seen.contains("the hub cannot read the source's credentials"));
    let encoded = STANDARD.encode(format!("{USER}:{MARK}"));
    for (what, text) in [("what is seen", &seen), ("the log", &logged)] {
        for secret in [MARK, &encoded[..encoded.len() - 4]] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "in {what}");
        }
    }
}

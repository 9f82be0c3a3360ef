use std::{path::Path, sync::Arc, time::Duration};

use flyte_registration_crd::Reason;
use flyte_registration_fixtures::packages::ETL;
use flyte_registration_hub::registrar::{AuthConfig, FlyteAdminConfig, Registrar, Report};
use flyteadmin_emulator::{Emulator, Options, auth::Client};
use parking_lot::Mutex;
use tempfile::TempDir;
use tracing_subscriber::{Layer as _, filter::dynamic_filter_fn, layer::SubscriberExt as _};

use super::{Peer, config, planned, target, tls};

const TOKEN: &str = "oauth2/token";
const SECRET: &str = "s3cret +&%:ü";

/// A FlyteAdmin that asks for tokens, what speaks to it, and the folder of its secret.
pub(super) struct Guarded {
    pub(super) peer: Peer,
    folder: TempDir,
}

pub(super) fn options() -> Options {
    Options {
        auth: true,
        clients: vec![
            Client {
                id: "hub".to_owned(),
                secret: SECRET.to_owned(),
                scopes: vec!["all".to_owned(), "offline".to_owned()],
            },
            "narrow:narrow:offline".parse().unwrap(),
        ],
        ..Options::default()
    }
}

fn auth(folder: &Path) -> AuthConfig {
    AuthConfig {
        client_id: Some("hub".to_owned()),
        client_id_file: None,
        client_secret_file: folder.join("secret"),
        scopes: Vec::new(),
        audience: None,
        token_url: None,
        authorization_header: None,
    }
}

pub(super) async fn guarded(options: &Options, change: impl FnOnce(&mut AuthConfig)) -> Guarded {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    let emulator = Emulator::start(options).await.unwrap();
    let mut auth = auth(folder.path());
    change(&mut auth);
    let config = FlyteAdminConfig {
        auth: Some(auth),
        ..config(&emulator)
    };
    let registrar = Registrar::new("main", &config).unwrap();
    let peer = Peer {
        emulator,
        registrar,
    };
    Guarded { peer, folder }
}

impl Guarded {
    pub(super) async fn register(&self, version: &str) -> Report {
        let plan = planned(ETL, &target(version));
        self.peer.registrar.register(&plan).await
    }

    /// Registers a version, which must go wrong, and says how.
    pub(super) async fn failure(&self, version: &str) -> String {
        let failure = self.register(version).await.failure.unwrap();
        assert_eq!(failure.reason, Reason::FlyteUnavailable);
        failure.message
    }

    /// How often a token was asked for since the last time.
    fn tokens(&self) -> u64 {
        let counts = self.peer.counts();
        counts.by_rpc.get(TOKEN).copied().unwrap_or(0)
    }
}

#[tokio::test]
async fn one_token_for_many_calls() {
    let guarded = guarded(&options(), |_| {}).await;
    let (one, two) = tokio::join!(guarded.register("v1"), guarded.register("v2"));
    assert_eq!((one.failure, two.failure), (None, None));
    let counts = guarded.peer.counts();
    assert_eq!(counts.by_rpc[TOKEN], 1);
    assert_eq!(counts.by_rpc["GetOAuth2Metadata"], 1);
    let codes = counts.by_code.keys();
    let refused = codes.filter(|call| call.ends_with("Unauthenticated"));
    assert_eq!(refused.count(), 0, "nothing is tried without a token");
    assert_eq!(guarded.register("v3").await.failure, None);
    assert_eq!(guarded.tokens(), 0);
}

#[tokio::test]
async fn a_token_about_to_expire_is_not_used() {
    // It says that it lasts for no whole second.
    let options = Options {
        token_seconds: 1,
        ..options()
    };
    let guarded = guarded(&options, |_| {}).await;
    guarded.register("v1").await;
    guarded.tokens();
    guarded.register("v2").await;
    assert!(guarded.tokens() > 1);
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once_for_all() {
    let guarded = guarded(&options(), |_| {}).await;
    assert_eq!(guarded.register("v1").await.failure, None);
    guarded.tokens();
    let authority = guarded.peer.emulator.authority().unwrap();
    authority.forward(Duration::from_hours(2));
    let (one, two) = tokio::join!(guarded.register("v2"), guarded.register("v3"));
    assert_eq!((one.failure, two.failure), (None, None));
    assert_eq!(guarded.tokens(), 1);
}

#[tokio::test]
async fn a_refusal_of_the_new_token_as_well_ends_it() {
    let guarded = guarded(&options(), |_| {}).await;
    guarded.peer.fault(
        r#"{"rpc": "CreateTask", "action": {"fail": {"code": 16, "message": "authenticated user doesn't have required scope"}}, "count": 1000}"#,
    );
    let message = guarded.failure("v1").await;
    assert!(
        message.contains("refuses a new token: check auth.scopes"),
        "{message}"
    );
    assert!(message.contains("doesn't have required scope"), "{message}");
    let calls = guarded.peer.counts().by_rpc["CreateTask"];
    assert!(calls <= 10, "two for each of five tasks, not {calls}");
}

#[tokio::test]
async fn a_wrong_secret_and_its_rotation() {
    let guarded = guarded(&options(), |_| {}).await;
    let file = guarded.folder.path().join("secret");
    std::fs::write(&file, "wrong").unwrap();
    let message = guarded.failure("v1").await;
    assert!(
        message.contains("answers 401 Unauthorized invalid_client"),
        "{message}"
    );
    assert!(message.contains("auth.clientSecretFile"), "{message}");
    let counts = guarded.peer.counts();
    assert!(
        !counts.by_rpc.contains_key("ListTasks"),
        "no token, no call"
    );
    assert_eq!(
        counts.by_code[&format!("{TOKEN} Unauthenticated")],
        counts.by_rpc[TOKEN]
    );

    std::fs::write(&file, SECRET).unwrap();
    assert_eq!(guarded.register("v1").await.failure, None);

    let authority = guarded.peer.emulator.authority().unwrap();
    authority.set_client("hub:rotated:all,offline".parse().unwrap());
    authority.forward(Duration::from_hours(2));
    std::fs::write(&file, "rotated").unwrap();
    assert_eq!(guarded.register("v2").await.failure, None);

    std::fs::remove_file(&file).unwrap();
    authority.forward(Duration::from_hours(2));
    let message = guarded.failure("v3").await;
    assert!(
        message.contains("auth.clientSecretFile (No such file"),
        "{message}"
    );
}

#[tokio::test]
async fn a_client_without_the_scopes_is_told_so() {
    let narrow = |auth: &mut AuthConfig| {
        auth.client_id = Some("narrow".to_owned());
        std::fs::write(&auth.client_secret_file, "narrow").unwrap();
    };
    let refused = guarded(&options(), narrow).await;
    let message = refused.failure("v1").await;
    assert!(
        message.contains("invalid_scope: check auth.scopes"),
        "{message}"
    );

    let useless = guarded(&options(), |auth| {
        narrow(auth);
        auth.scopes = vec!["offline".to_owned()];
    })
    .await;
    let message = useless.failure("v1").await;
    assert!(message.contains("it wants all"), "{message}");
}

#[tokio::test]
async fn calls_without_configuration_say_what_is_missing() {
    let emulator = Emulator::start(&options()).await.unwrap();
    let registrar = Registrar::new("main", &config(&emulator)).unwrap();
    let report = registrar.register(&planned(ETL, &target("v1"))).await;
    let message = report.failure.unwrap().message;
    assert!(message.contains("set flyteAdmins.*.auth"), "{message}");
}

#[tokio::test]
async fn where_no_token_is_asked_for_none_is_sent() {
    let guarded = guarded(&Options::default(), |_| {}).await;
    assert_eq!(guarded.register("v1").await.failure, None);
    assert_eq!(guarded.tokens(), 0);
}

#[tokio::test]
async fn the_secret_is_not_sent_in_plaintext() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let emulator = Emulator::start(&options()).await.unwrap();
    let (address, pem) = tls::tls(emulator.grpc, None).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let config = FlyteAdminConfig {
        endpoint: format!("localhost:{}", address.port()),
        insecure: false,
        ca_file: Some(folder.path().join("ca.pem")),
        auth: Some(auth(folder.path())),
        ..config(&emulator)
    };
    let registrar = Registrar::new("main", &config).unwrap();
    let report = registrar.register(&planned(ETL, &target("v1"))).await;
    let message = report.failure.unwrap().message;
    assert!(message.contains("is no https URL"), "{message}");
    assert!(!emulator.counters().snapshot().by_rpc.contains_key(TOKEN));
}

/// What is logged goes here.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_shows_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    // For all threads, as what is only for one misses events; but only this one's are kept.
    let here = std::thread::current().id();
    let this_thread = dynamic_filter_fn(move |_, _| std::thread::current().id() == here);
    let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(this_thread));
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let guarded = guarded(&options(), |_| {}).await;
    assert_eq!(guarded.register("v1").await.failure, None);
    std::fs::write(guarded.folder.path().join("secret"), "0ther-secret").unwrap();
    let authority = guarded.peer.emulator.authority().unwrap();
    authority.forward(Duration::from_hours(2));
    let message = guarded.failure("v2").await;
    let log = String::from_utf8_lossy(&log.0.lock()).into_owned();
    assert!(log.contains("got a token for FlyteAdmin"), "{log}");
    // The secret plain and in the form, in the header (its beginning), and every token's.
    for secret in [
        "s3cret",
        "aHViOnMzY3Jld",
        "aHViOjB0aGVyLXNlY3Jld",
        "0ther-secret",
        "eyJ",
    ] {
        assert!(
            !log.contains(secret) && !message.contains(secret),
            "{secret}"
        );
    }
}

#[tokio::test]
async fn a_tenant_may_call_as_itself() {
    // The hub's own client may do nothing here; the tenant's may.
    let guarded = guarded(&options(), |auth| {
        auth.client_id = Some("narrow".to_owned());
    })
    .await;
    assert!(guarded.register("v1").await.failure.is_some());
    let plain = config(&guarded.peer.emulator);
    let own = auth(guarded.folder.path());
    let tenant = guarded.peer.registrar.called_as(&own, &plain).unwrap();
    let report = tenant.register(&planned(ETL, &target("v1"))).await;
    assert_eq!(report.failure, None);
    assert!(report.counts.created > 0);
}

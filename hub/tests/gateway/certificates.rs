//! TLS: the hub's certificate, those of agents, and files that change.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use flyte_registration_fixtures::signer::Signer;
use flyte_registration_hub::{
    config,
    identity::{CertificateName, ClusterConfig, Identities},
};
use flyte_registration_proto::hub::v1::{
    Changed, agent_message::Kind as Up, hub_message::Kind, refusal::Reason,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use tokio::time::{Instant, sleep};
use tonic::{
    Code,
    transport::{Certificate, ClientTlsConfig, Identity},
};

use crate::support::{Agent, Hub, SOON, cluster, hello, object};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, PEM, good for so long from an hour ago.
fn issue(by: &Authority, name: SanType, good: Duration) -> (String, String) {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![name];
    let start = SystemTime::now() - Duration::from_hours(1);
    params.not_before = start.into();
    params.not_after = (start + good).into();
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().unwrap();
    (
        params.signed_by(&key, by).unwrap().pem(),
        key.serialize_pem(),
    )
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// Longer than the hub looks ahead.
const LONG: Duration = Duration::from_hours(24);

/// The files of a hub, with the authorities behind them.
struct Files {
    dir: tempfile::TempDir,
    server: Authority,
    agents: Authority,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            dir: tempfile::tempdir().unwrap(),
            server: authority(),
            agents: authority(),
        };
        files.serve(&files.server);
        files.trust(&files.agents);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    fn serve(&self, by: &Authority) {
        let (certificate, key) = issue(by, dns("localhost"), LONG);
        self.put("hub.crt", &certificate);
        self.put("hub.key", &key);
    }

    fn trust(&self, authority: &Authority) {
        self.put("agents.crt", &authority.pem());
    }

    fn config(&self) -> config::Tls {
        config::Tls {
            cert_file: self.path("hub.crt"),
            key_file: self.path("hub.key"),
            client_ca_file: Some(self.path("agents.crt")),
        }
    }

    async fn hub(&self) -> Hub {
        Hub::start_with(config::Session::default(), Some(&self.config()), clusters()).await
    }

    fn client(&self) -> ClientTlsConfig {
        client(&self.server)
    }

    /// As the agent with this name.
    fn agent(&self, name: SanType) -> ClientTlsConfig {
        with(self.client(), issue(&self.agents, name, LONG))
    }
}

fn client(server: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(server.pem()))
}

fn with(tls: ClientTlsConfig, (certificate, key): (String, String)) -> ClientTlsConfig {
    tls.identity(Identity::from_pem(certificate, key))
}

/// Beside east, which has a token alone.
fn clusters() -> BTreeMap<String, ClusterConfig> {
    let named = |name| ClusterConfig {
        certificate: Some(name),
        ..ClusterConfig::default()
    };
    let north = ClusterConfig {
        certificate: Some(CertificateName::Dns("agent.north.example".to_owned())),
        ..cluster(&Signer::p256("key-of-north"))
    };
    [
        (
            "west".to_owned(),
            named(CertificateName::Dns("agent.west.example".to_owned())),
        ),
        (
            "south".to_owned(),
            named(CertificateName::Uri("spiffe://acme/south".to_owned())),
        ),
        ("north".to_owned(), north),
    ]
    .into()
}

/// It is welcomed, and told what a resource shows.
async fn works(agent: &mut Agent) {
    agent.say(Up::Hello(hello())).await;
    let welcome = agent.hear().await;
    assert!(matches!(welcome, Some(Kind::Welcome(_))), "{welcome:?}");
    lives(agent, "a").await;
}

async fn lives(agent: &mut Agent, name: &str) {
    let object = Some(object(name));
    agent.say(Up::Changed(Changed { object })).await;
    assert!(matches!(agent.hear().await, Some(Kind::Status(_))));
}

#[tokio::test]
async fn an_agent_is_known_by_its_certificate_or_its_token() {
    let files = Files::new();
    let hub = files.hub().await;
    let south = SanType::URI("spiffe://acme/south".try_into().unwrap());
    for (tls, token) in [
        (files.agent(dns("agent.west.example")), None),
        (files.agent(south), None),
        (files.client(), Some(hub.token())),
    ] {
        let mut agent = hub.call_with(tls, token.as_deref()).await.unwrap();
        works(&mut agent).await;
    }
}

#[tokio::test]
async fn certificates_of_others_open_nothing() {
    let files = Files::new();
    let hub = files.hub().await;
    let token = hub.token();
    let west = || dns("agent.west.example");
    let refused = [
        (
            "another name",
            files.agent(dns("agent.other.example")),
            None,
        ),
        (
            "no name of a cluster, with a token",
            files.agent(dns("x")),
            Some(&token),
        ),
        (
            "another cluster's, with a token",
            files.agent(west()),
            Some(&token),
        ),
        ("nothing", files.client(), None),
    ];
    for (what, tls, token) in refused {
        let Err(status) = hub.call_with(tls, token.map(String::as_str)).await else {
            panic!("{what} was let in")
        };
        assert_eq!(status.code(), Code::Unauthenticated, "{what}: {status:?}");
    }
    // These do not get past TLS, whatever their token.
    let hour = Duration::from_hours(1);
    let untrusted = [
        ("another authority's", issue(&authority(), west(), LONG)),
        (
            "the authority of the hub's own",
            issue(&files.server, west(), LONG),
        ),
        (
            "expired",
            issue(
                &files.agents,
                west(),
                hour.checked_sub(Duration::from_secs(5)).unwrap(),
            ),
        ),
    ];
    for (what, identity) in untrusted {
        let called = hub
            .call_with(with(files.client(), identity), Some(&token))
            .await;
        let Err(status) = called else {
            panic!("{what} was let in")
        };
        assert_ne!(status.code(), Code::Unauthenticated, "{what}: {status:?}");
    }
}

#[tokio::test]
async fn a_session_is_drained_before_its_certificate_expires() {
    let files = Files::new();
    let hub = files.hub().await;
    let soon = Duration::from_hours(1) + Duration::from_secs(4);
    let tls = with(
        files.client(),
        issue(&files.agents, dns("agent.west.example"), soon),
    );
    let mut agent = hub.call_with(tls, None).await.unwrap();
    works(&mut agent).await;
    assert!(matches!(agent.hear().await, Some(Kind::Drain(_))));
    lives(&mut agent, "b").await;
    assert!(agent.hear().await.is_none());
}

/// Whether such a call succeeds, once the hub has noticed what changed.
async fn comes_to(hub: &Hub, tls: impl Fn() -> ClientTlsConfig, token: Option<&str>, good: bool) {
    let late = Instant::now() + SOON;
    while hub.call_with(tls(), token).await.is_ok() != good {
        assert!(Instant::now() < late, "it does not come to {good}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn new_certificates_are_taken_over_and_sessions_that_are_still_good_go_on() {
    let files = Files::new();
    let hub = files.hub().await;
    let token = hub.token();
    let mut east = hub.call_with(files.client(), Some(&token)).await.unwrap();
    works(&mut east).await;
    let west = || files.agent(dns("agent.west.example"));
    let mut west_agent = hub.call_with(west(), None).await.unwrap();
    works(&mut west_agent).await;

    let next = authority();
    files.serve(&next);
    comes_to(&hub, || client(&next), Some(&token), true).await;
    assert!(hub.call_with(files.client(), Some(&token)).await.is_err());
    lives(&mut east, "b").await;
    lives(&mut west_agent, "b").await;

    // Other authorities of agents: west's certificate opens nothing more, nor keeps open what it opened.
    files.trust(&authority());
    let old = || {
        with(
            client(&next),
            issue(&files.agents, dns("agent.west.example"), LONG),
        )
    };
    comes_to(&hub, old, None, false).await;
    hub.identities.send_modify(|known| {
        let all: BTreeMap<_, _> = clusters()
            .into_iter()
            .chain([("east".to_owned(), cluster(&hub.signer))])
            .collect();
        *known = Identities::new(&all, Some(known)).into();
    });
    assert_eq!(west_agent.refusal().await, Reason::Unauthenticated);
    lives(&mut east, "c").await;
}

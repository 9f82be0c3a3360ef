use std::{net::SocketAddr, sync::Arc};

use flyte_registration_crd::Reason;
use flyte_registration_fixtures::packages::ETL;
use flyte_registration_hub::registrar::{FlyteAdminConfig, Registrar};
use flyteadmin_emulator::{Emulator, Options};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, pki_types::CertificateDer, server::WebPkiClientVerifier},
};

use super::{config, planned, target};

/// TLS in front of an emulator, for one client only if there is one, and the certificate to trust.
pub(super) async fn tls(
    behind: SocketAddr,
    client: Option<CertificateDer<'static>>,
) -> (SocketAddr, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tls_on(listener, behind, client).1)
}

/// The same at a listener, with what serves it: connections end with it.
fn tls_on(
    listener: TcpListener,
    behind: SocketAddr,
    client: Option<CertificateDer<'static>>,
) -> (JoinHandle<()>, String) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = certified.cert.pem();
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = match client {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(client) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(client).unwrap();
            let roots = Arc::new(roots);
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
            verifier.build().unwrap()
        }
    };
    let mut server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let serve = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            connections.spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut plain = TcpStream::connect(behind).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut plain).await;
                }
            });
        }
    });
    (serve, pem)
}

#[tokio::test]
async fn speaks_tls_to_those_that_it_can_trust_only() {
    let emulator = Emulator::start(&Options::default()).await.unwrap();
    let (address, pem) = tls(emulator.grpc, None).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let trusting = FlyteAdminConfig {
        endpoint: format!("dns:///localhost:{}", address.port()),
        insecure: false,
        ca_file: Some(file),
        ..config(&emulator)
    };
    let plan = planned(ETL, &target("v1"));
    let report = Registrar::new("main", &trusting)
        .unwrap()
        .register(&plan)
        .await;
    assert_eq!(report.failure, None);

    let distrusting = FlyteAdminConfig {
        ca_file: None,
        ..trusting.clone()
    };
    let plaintext = FlyteAdminConfig {
        insecure: true,
        ..distrusting.clone()
    };
    let wrong_name = FlyteAdminConfig {
        endpoint: address.to_string(),
        ..trusting
    };
    for config in [distrusting, plaintext, wrong_name] {
        let report = Registrar::new("main", &config)
            .unwrap()
            .register(&plan)
            .await;
        assert_eq!(report.failure.unwrap().reason, Reason::FlyteUnavailable);
    }
}

#[tokio::test]
async fn shows_its_own_certificate() {
    let certified = rcgen::generate_simple_self_signed(["hub".to_owned()]).unwrap();
    let emulator = Emulator::start(&Options::default()).await.unwrap();
    let (address, pem) = tls(emulator.grpc, Some(certified.cert.der().clone())).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let known = FlyteAdminConfig {
        endpoint: format!("localhost:{}", address.port()),
        insecure: false,
        ca_file: file("ca.pem", pem),
        cert_file: file("cert.pem", certified.cert.pem()),
        key_file: file("key.pem", certified.signing_key.serialize_pem()),
        ..config(&emulator)
    };
    let plan = planned(ETL, &target("v1"));
    let registrar = Registrar::new("main", &known).unwrap();
    assert_eq!(registrar.register(&plan).await.failure, None);

    let half = FlyteAdminConfig {
        key_file: None,
        ..known.clone()
    };
    let error = Registrar::new("main", &half).unwrap_err().to_string();
    assert_eq!(error, "certFile and keyFile need each other, and TLS");
    let unknown = FlyteAdminConfig {
        cert_file: None,
        ..half
    };
    let registrar = Registrar::new("main", &unknown).unwrap();
    let failure = registrar.register(&plan).await.failure.unwrap();
    assert_eq!(failure.reason, Reason::FlyteUnavailable);
}

/// What stands before FlyteAdmin gets another certificate, and then only takes another client:
/// the files are replaced, and the hub goes on.
#[tokio::test]
async fn certificates_are_replaced_without_a_restart() {
    let [first, second] =
        ["one", "two"].map(|name| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap());
    let emulator = Emulator::start(&Options::default()).await.unwrap();
    let front = |client: &rcgen::CertifiedKey<rcgen::KeyPair>, listener| {
        tls_on(listener, emulator.grpc, Some(client.cert.der().clone()))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, ca) = front(&first, listener);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let config = FlyteAdminConfig {
        endpoint: format!("dns:///localhost:{}", address.port()),
        insecure: false,
        ca_file: write("ca.pem", ca),
        cert_file: write("cert.pem", first.cert.pem()),
        key_file: write("key.pem", first.signing_key.serialize_pem()),
        ..config(&emulator)
    };
    let registrar = Registrar::new("main", &config).unwrap();
    let report = registrar.register(&planned(ETL, &target("v1"))).await;
    assert_eq!(report.failure, None);

    ended.abort();
    let listener = rebound(address).await;
    let (_ended, ca) = front(&second, listener);
    let report = registrar.register(&planned(ETL, &target("v2"))).await;
    assert_eq!(report.failure.unwrap().reason, Reason::FlyteUnavailable);

    write("ca.pem", ca);
    write("cert.pem", second.cert.pem());
    write("key.pem", second.signing_key.serialize_pem());
    let report = registrar.register(&planned(ETL, &target("v2"))).await;
    assert_eq!(report.failure, None);
}

/// The address once more, as soon as nobody listens there any more.
async fn rebound(address: SocketAddr) -> TcpListener {
    let bind = async {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let patience = std::time::Duration::from_secs(10);
    tokio::time::timeout(patience, bind).await.unwrap()
}

#[test]
fn certificates_that_are_not_there() {
    let config = FlyteAdminConfig {
        ca_file: Some("/nowhere/ca.pem".into()),
        ..FlyteAdminConfig::at("localhost:1")
    };
    let error = Registrar::new("main", &config).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/ca.pem cannot be read");
}

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{RootCertStore, pki_types::PrivateKeyDer, server::WebPkiClientVerifier};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;
use crate::registry::{Access, Fault, USER};

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    /// Connections that showed a certificate.
    shown: Arc<AtomicUsize>,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            // Who does not trust us hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                let shown = stream.get_ref().1.peer_certificates().is_some();
                self.shown.fetch_add(usize::from(shown), Ordering::SeqCst);
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

pub fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub async fn start(ca: &CertifiedIssuer<'static, KeyPair>, host: &str) -> Registry {
    start_and_count(ca, host).await.0
}

/// A registry that asks for client certificates and takes all connections; and how many showed one.
async fn start_and_count(
    ca: &CertifiedIssuer<'static, KeyPair>,
    host: &str,
) -> (Registry, Arc<AtomicUsize>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([host.to_owned()])
        .unwrap()
        .signed_by(&key, ca)
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
        .allow_unauthenticated()
        .build()
        .unwrap();
    let config = rustls::ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = format!("{host}:{}", tcp.local_addr().unwrap().port());
    let shown = Arc::new(AtomicUsize::new(0));
    let listener = TlsListener {
        tcp,
        acceptor: TlsAcceptor::from(Arc::new(config)),
        shown: Arc::clone(&shown),
    };
    (Registry::serve(listener, authority), shown)
}

fn source(registry: &Registry, dir: &TempDir, ca: &CertifiedIssuer<'static, KeyPair>) -> Setup {
    source_with(registry, dir, ca, &json!({}))
}

pub fn source_with(
    registry: &Registry,
    dir: &TempDir,
    ca: &CertifiedIssuer<'static, KeyPair>,
    more: &Value,
) -> Setup {
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "password").unwrap();
    let base = json!({
        "kind": "oci", "registry": registry.authority, "caFile": file, "username": USER, "passwordFile": password,
    });
    Setup::new(config(base, more))
}

#[tokio::test]
async fn own_authorities_are_trusted_and_others_are_not() {
    let (ca, dir) = (authority(), tempfile::tempdir().unwrap());
    let registry = start(&ca, "127.0.0.1").await;
    registry.package("pkg", "v1", b"the package");
    assert_eq!(
        read(&source(&registry, &dir, &ca).fetch("pkg").await.unwrap()),
        b"the package"
    );

    let (reason, message) = source(&registry, &dir, &authority()).failure("pkg").await;
    assert_eq!(reason, Reason::SourceUnavailable);
    assert!(message.contains("cannot be trusted"), "{message}");
}

#[tokio::test]
async fn replaced_authorities_are_trusted_without_a_restart() {
    let (ca, dir) = (authority(), tempfile::tempdir().unwrap());
    let registry = start(&ca, "127.0.0.1").await;
    registry.package("pkg", "v1", b"the package");
    let setup = source(&registry, &dir, &authority());
    setup.fetch("pkg").await.unwrap_err();
    std::fs::write(dir.path().join("ca.pem"), ca.pem()).unwrap();
    let trusted = async {
        while setup.fetch("pkg").await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(1), trusted).await;
    assert!(in_time.is_ok());
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_registry_and_not_where_it_redirects_to() {
    let (ca, dir) = (authority(), tempfile::tempdir().unwrap());
    let (registry, shown) = start_and_count(&ca, "127.0.0.1").await;
    let (elsewhere, shown_elsewhere) = start_and_count(&ca, "localhost").await;
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["hub".to_owned()])
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    let (cert_file, key_file) = (dir.path().join("client.crt"), dir.path().join("client.key"));
    std::fs::write(&cert_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let more = json!({
        "certFile": cert_file, "keyFile": key_file, "redirectHosts": [elsewhere.authority],
    });
    let setup = source_with(&registry, &dir, &ca, &more);
    for registry in [&registry, &elsewhere] {
        registry.package("pkg", "v1", b"the package");
    }
    let digest = Digest::of(b"the package");
    let blob = format!("https://{}/v2/pkg/blobs/{digest}", elsewhere.authority);
    registry.fault("/blobs/", 1, Fault::Redirect(blob));
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    assert_eq!(elsewhere.asked().len(), 1);
    assert!(shown.load(Ordering::SeqCst) > 0);
    assert_eq!(shown_elsewhere.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_blob_elsewhere_is_followed_without_credentials() {
    let (ca, dir) = (authority(), tempfile::tempdir().unwrap());
    let (registry, elsewhere) = (start(&ca, "127.0.0.1").await, start(&ca, "localhost").await);
    registry.access(Access::Basic, "password");
    for registry in [&registry, &elsewhere] {
        registry.package("pkg", "v1", b"the package");
    }
    let named = json!({"redirectHosts": [elsewhere.authority]});
    let setup = source_with(&registry, &dir, &ca, &named);
    let blob = format!(
        "https://{}/v2/pkg/blobs/{}?signature=x",
        elsewhere.authority,
        Digest::of(b"the package")
    );
    registry.fault(
        "/blobs/",
        1,
        Fault::Redirect(blob.replace("?signature=x", "")),
    );
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    let there = elsewhere.requests();
    assert_eq!(there.len(), 1);
    assert!(!there[0].headers.contains_key("authorization"));

    // What the other host wants is not answered either, and its address stays unsaid.
    let registry_blob = blob.clone();
    registry.package("pkg", "v2", b"second package");
    registry.fault("/blobs/", 1, Fault::Redirect(registry_blob));
    elsewhere.fault(
        "/blobs/",
        1,
        Fault::Challenge("Basic realm=\"x\"".to_owned()),
    );
    let (reason, message) = setup.failure("pkg:v2").await;
    assert_eq!(reason, Reason::SourceUnauthorized);
    assert!(!message.contains("signature"), "{message}");
    assert!(
        elsewhere
            .requests()
            .iter()
            .all(|asked| !asked.headers.contains_key("authorization"))
    );
}

#[tokio::test]
async fn a_ca_file_without_certificates_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for (content, expected) in [
        (Some("no PEM"), "holds no certificate"),
        (None, "cannot be read"),
    ] {
        let file = dir.path().join("ca.pem");
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let config = json!({"kind": "oci", "registry": "host", "caFile": file});
        let configs =
            BTreeMap::from([("main".to_owned(), serde_json::from_value(config).unwrap())]);
        let cache = Cache::open(&CacheConfig {
            dir: dir.path().join("cache"),
            max_size: 1,
        })
        .unwrap();
        let error = Sources::new(&configs, cache).err().unwrap();
        assert_eq!(error.to_string(), "sources.main cannot be set up");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(expected), "{cause}");
    }
}

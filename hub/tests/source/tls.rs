use std::{io, net::SocketAddr};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;
use crate::registry::{Access, Fault, USER};

struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            // Who does not trust us hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
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
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([host.to_owned()])
        .unwrap()
        .signed_by(&key, ca)
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = format!("{host}:{}", tcp.local_addr().unwrap().port());
    Registry::serve(
        TlsListener {
            tcp,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        },
        authority,
    )
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

//! Redirects and token services on other hosts.

use super::*;
use crate::{
    registry::{Access, Fault, USER},
    tls::{authority, source_with, start},
};

#[tokio::test]
async fn redirect_of_a_blob_to_an_address_that_is_not_public_is_not_followed() {
    let (ca, dir) = (authority(), tempfile::tempdir().unwrap());
    let (registry, elsewhere) = (start(&ca, "127.0.0.1").await, start(&ca, "localhost").await);
    registry.package("pkg", "v1", b"the package");
    let setup = source_with(&registry, &dir, &ca, &json!({}));
    let port = elsewhere.authority.rsplit(':').next().unwrap();
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        let to = format!("https://{host}:{port}/v2/pkg/blobs/x?signature=secret");
        registry.fault("/blobs/", 1, Fault::Redirect(to));
        let (reason, message) = setup.failure("pkg").await;
        assert_eq!(reason, Reason::SourceUnavailable, "{host}");
        assert!(
            message.contains("its address is not public"),
            "{host}: {message}"
        );
        assert!(!message.contains("signature"), "{message}");
    }
    assert!(elsewhere.asked().is_empty());
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
}

#[tokio::test]
async fn redirect_of_a_named_host_is_judged_again() {
    let (ca, dir) = (authority(), tempfile::tempdir().unwrap());
    let (registry, elsewhere) = (start(&ca, "127.0.0.1").await, start(&ca, "localhost").await);
    registry.package("pkg", "v1", b"the package");
    let named = json!({"redirectHosts": [elsewhere.authority]});
    let setup = source_with(&registry, &dir, &ca, &named);
    registry.access(Access::Basic, "password");
    let first = format!("https://{}/first", elsewhere.authority);
    registry.fault("/blobs/", 1, Fault::Redirect(first.clone()));
    elsewhere.fault(
        "/first",
        1,
        Fault::Redirect("https://169.254.169.254/latest".to_owned()),
    );
    let (_, message) = setup.failure("pkg").await;
    assert!(
        message.contains("redirects to 169.254.169.254"),
        "{message}"
    );

    // Back home it is followed, but whoever sent it there gets no credentials to work with.
    registry.requests();
    registry.fault("/blobs/", 1, Fault::Redirect(first));
    let home = format!(
        "https://{}/v2/pkg/blobs/{}",
        registry.authority,
        Digest::of(b"the package")
    );
    elsewhere.fault("/first", 1, Fault::Redirect(home));
    assert_eq!(setup.failure("pkg").await.0, Reason::SourceUnauthorized);
    let last = registry.requests().pop().unwrap();
    assert!(!last.headers.contains_key("authorization"), "{last:?}");
}

#[tokio::test]
async fn an_allowed_token_realm_gets_the_password() {
    let (registry, service) = (Registry::start().await, Registry::start().await);
    service.access(Access::Token, "password");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "password").unwrap();
    let realm = service.authority.replace("127.0.0.1", "localhost");
    let more = json!({"username": USER, "passwordFile": file, "tokenRealms": [realm]});
    let setup = Setup::new(plain(&registry.authority, &more));
    registry.package("pkg", "v1", b"the package");
    let challenge = format!("Bearer realm=\"http://{realm}/token\",service=\"x\"");
    registry.fault("/manifests/", 1, Fault::Challenge(challenge));
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    let asked = service.asked();
    assert_eq!(
        asked,
        ["GET /token?service=x&scope=repository%3Apkg%3Apull"]
    );
    let sent = registry.requests().pop().unwrap();
    assert_eq!(sent.headers["authorization"], "Bearer token-0");
}

#[tokio::test]
async fn an_endpoint_is_contacted_instead_and_the_name_stays() {
    let registry = Registry::start().await;
    registry.package("pkg", "v1", b"the package");
    let more = json!({"endpoint": registry.authority});
    let setup = Setup::new(plain("registry.invalid", &more));
    let fetched = setup.fetch("pkg").await.unwrap();
    assert_eq!(fetched.package.uri, "oci://registry.invalid/pkg:v1");
    assert_eq!(read(&fetched), b"the package");
}

#[tokio::test]
async fn a_proxy_is_asked_for_everything() {
    let proxy = Registry::start().await;
    proxy.fault("pkg", 1, Fault::Status(503, &[]));
    let more = json!({"proxy": format!("http://{}", proxy.authority)});
    let setup = Setup::new(plain("registry.invalid", &more));
    assert_eq!(setup.failure("pkg").await.0, Reason::SourceUnavailable);
    assert_eq!(proxy.asked().len(), 1);
}

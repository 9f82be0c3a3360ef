//! Certificates of the API, and of who may read.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::{Certificate, Client, Identity};

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key, PEM.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        (
            params.signed_by(&key, &self.0).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

fn client(server: &Authority, shows: Option<&Authority>) -> Client {
    let root = Certificate::from_pem(server.0.pem().as_bytes()).unwrap();
    let builder = Client::builder().tls_certs_only([root]);
    let builder = match shows {
        Some(authority) => {
            let (certificate, key) = authority.issue();
            builder.identity(Identity::from_pem(format!("{certificate}{key}").as_bytes()).unwrap())
        }
        None => builder,
    };
    builder.build().unwrap()
}

fn write(dir: &Path, server: &Authority) {
    let (certificate, key) = server.issue();
    std::fs::write(dir.join("tls.crt"), certificate).unwrap();
    std::fs::write(dir.join("tls.key"), key).unwrap();
}

#[tokio::test]
async fn certificates_of_the_authority_read_and_others_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let (server, team, others) = (Authority::new(), Authority::new(), Authority::new());
    write(dir.path(), &server);
    let file = |name: &str| dir.path().join(name);
    std::fs::write(file("clients.crt"), team.0.pem()).unwrap();
    let config = json!({
        "tls": {"certFile": file("tls.crt"), "keyFile": file("tls.key")},
        "clientCaFile": file("clients.crt"),
    });
    let api = served(dir, config).await;
    let url = format!("{}/api/v1/clusters", api.url);
    let allowed = client(&server, Some(&team)).get(&url).send().await.unwrap();
    assert_eq!(allowed.status(), StatusCode::OK);
    for stranger in [None, Some(&others), Some(&server)] {
        client(&server, stranger)
            .get(&url)
            .send()
            .await
            .unwrap_err();
    }

    // The certificate of the server is replaced while it runs. Files are looked at every few seconds.
    let other = Authority::new();
    write(api.dir.path(), &other);
    let replaced = async {
        while client(&other, Some(&team)).get(&url).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(30), replaced).await.unwrap();
    client(&server, Some(&team))
        .get(&url)
        .send()
        .await
        .unwrap_err();
}

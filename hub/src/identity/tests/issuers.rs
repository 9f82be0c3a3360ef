//! Keys that are fetched from issuers, some of which are up to no good, and from files.

use std::{io::Write as _, net::Ipv4Addr};

use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server that answers as it is told, by path.
struct Issuer {
    url: String,
    /// Its certificate, which is its own authority.
    ca: NamedTempFile,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
enum Answer {
    Json(String),
    Redirect(&'static str),
    Failure,
    /// More and more of it.
    Endless,
    /// Nothing after the head.
    Silence,
}

impl Issuer {
    /// One whose answers may name its own URL.
    async fn start(answers: impl Fn(&str) -> Vec<(&'static str, Answer)>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let answers: BTreeMap<_, _> = answers(&url).into_iter().collect();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Whoever does not trust it, or has had enough, is gone.
                let _ = talk(stream, &acceptor, &answers, &seen).await;
            }
        });
        let mut ca = NamedTempFile::new().unwrap();
        ca.write_all(certificate.pem().as_bytes()).unwrap();
        Self {
            url,
            ca,
            asked,
            task,
        }
    }

    /// One that serves these keys at `/keys`.
    async fn with_keys(signer: &Signer) -> Self {
        let jwks = signer.jwks();
        Self::start(|_| vec![("/keys", Answer::Json(jwks.clone()))]).await
    }

    /// A cluster whose keys are at this path, or else discovered.
    fn cluster(&self, path: Option<&str>) -> ClusterConfig {
        let url = path.map(|path| format!("{}{path}", self.url));
        let token = json!({
            "issuer": self.url, "subject": SUBJECT, "jwksUrl": url, "caFile": self.ca.path(),
        });
        ClusterConfig {
            token: Some(serde_json::from_value(token).unwrap()),
            ..ClusterConfig::default()
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }

    /// A token by this issuer.
    fn token(&self, signer: &Signer) -> Presented {
        let token = signer.token(&claims_with("iss", &json!(self.url)));
        Presented {
            token: Some(token.into()),
            certificates: None,
        }
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn talk(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    answers: &BTreeMap<&'static str, Answer>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let answer = answers.get(path.as_str());
    asked.lock().push(path);
    let head = |status: &str, more: String| {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}\r\n")
    };
    let length = |bytes: usize| format!("content-length: {bytes}\r\n");
    let said = match answer {
        Some(Answer::Json(body)) => head("200 OK", length(body.len())) + body,
        Some(Answer::Redirect(to)) => head("302 Found", format!("location: {to}\r\n{}", length(0))),
        Some(Answer::Failure) => head("500 Oops", length(0)),
        Some(Answer::Silence) => head("200 OK", length(100)),
        Some(Answer::Endless) => head("200 OK", String::new()),
        None => head("404 Not Found", length(0)),
    };
    stream.write_all(said.as_bytes()).await?;
    while let Some(Answer::Endless) = answer {
        stream.write_all(&[b' '; 4096]).await?;
    }
    stream.flush().await?;
    if let Some(Answer::Silence) = answer {
        // Until the other side has had enough.
        stream.read_u8().await?;
    }
    stream.shutdown().await
}

fn of(cluster: ClusterConfig) -> BTreeMap<String, ClusterConfig> {
    [("east".to_owned(), cluster)].into()
}

async fn who(identities: &Identities, presented: &Presented) -> Result<String, Refusal> {
    let identity = identities.authenticate(presented, now()).await;
    identity
        .map(|identity| identity.cluster.to_string())
        .map_err(|refused| refused.why)
}

#[tokio::test]
async fn keys_at_a_url_are_fetched_once_and_kept_over_a_reload() {
    let signer = Signer::p256("a");
    let issuer = Issuer::with_keys(&signer).await;
    let config = of(issuer.cluster(Some("/keys")));
    let before = Identities::new(&config, None);
    let token = issuer.token(&signer);
    for _ in 0..3 {
        assert_eq!(who(&before, &token).await.unwrap(), "east");
    }
    let after = Identities::new(&config, Some(&before));
    assert_eq!(who(&after, &token).await.unwrap(), "east");
    // Whoever names a key that does not exist makes nobody ask more often.
    let strange = issuer.token(&Signer::p256("b"));
    assert!(matches!(who(&after, &strange).await, Err(Refusal::Key)));
    assert_eq!(issuer.asked(), ["/keys"]);
}

#[tokio::test]
async fn keys_are_discovered_from_their_issuer() {
    let signer = Signer::p256("a");
    let jwks = signer.jwks();
    let issuer = Issuer::start(|url| {
        let document = json!({"issuer": url, "jwks_uri": format!("{url}/keys")});
        vec![
            (
                "/.well-known/openid-configuration",
                Answer::Json(document.to_string()),
            ),
            ("/keys", Answer::Json(jwks.clone())),
        ]
    })
    .await;
    let identities = Identities::new(&of(issuer.cluster(None)), None);
    assert_eq!(
        who(&identities, &issuer.token(&signer)).await.unwrap(),
        "east"
    );
    assert_eq!(
        issuer.asked(),
        ["/.well-known/openid-configuration", "/keys"]
    );
}

#[tokio::test]
async fn what_issuers_answer_is_bounded_and_leads_nowhere_else() {
    let signer = Signer::p256("a");
    let many = json!({"keys": vec![signer.jwk(); 65]}).to_string();
    let document = |issuer: &str, keys: &str| {
        Answer::Json(json!({"issuer": issuer, "jwks_uri": keys}).to_string())
    };
    let discovered = "/.well-known/openid-configuration";
    let cases = [
        ("/keys", Answer::Redirect("/elsewhere"), "answered 302"),
        ("/keys", Answer::Failure, "answered 500"),
        ("/keys", Answer::Endless, "more bytes than 262144"),
        ("/keys", Answer::Silence, "cannot ask localhost"),
        ("/keys", Answer::Json(many), "the key set cannot be used"),
        (
            "/keys",
            Answer::Json("{}".to_owned()),
            "the key set cannot be used",
        ),
        (discovered, Answer::Redirect("/elsewhere"), "answered 302"),
        (
            discovered,
            Answer::Json("[]".to_owned()),
            "document is none",
        ),
        (
            discovered,
            document("https://other.example", "URL/elsewhere"),
            "is that of another issuer",
        ),
        (
            discovered,
            document("URL", "http://localhost/elsewhere"),
            "not at https",
        ),
    ];
    for (path, answer, expected) in cases {
        let issuer = Issuer::start(|url| {
            let answer = match &answer {
                Answer::Json(text) => Answer::Json(text.replace("URL", url)),
                other => other.clone(),
            };
            let keys = Answer::Json(signer.jwks());
            vec![(path, answer), ("/elsewhere", keys)]
        })
        .await;
        let at = (path == "/keys").then_some(path);
        let identities = Identities::new(&of(issuer.cluster(at)), None);
        let Err(Refusal::Keys(error)) = who(&identities, &issuer.token(&signer)).await else {
            panic!("{expected}: it has keys")
        };
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(issuer.asked(), [path], "{expected}");
    }
}

#[tokio::test]
async fn an_issuer_whose_certificate_is_not_trusted_is_not_asked() {
    let signer = Signer::p256("a");
    let (issuer, other) = (
        Issuer::with_keys(&signer).await,
        Issuer::with_keys(&signer).await,
    );
    let mut cluster = issuer.cluster(Some("/keys"));
    cluster.token.as_mut().unwrap().ca_file = Some(other.ca.path().to_owned());
    let identities = Identities::new(&of(cluster), None);
    let refused = who(&identities, &issuer.token(&signer)).await;
    assert!(
        matches!(refused, Err(Refusal::Keys(SourceError::Ask { .. }))),
        "{refused:?}"
    );
    assert!(issuer.asked().is_empty());
}

#[tokio::test]
async fn a_file_of_keys_counts_as_it_is_at_a_reload() {
    let (first, second) = (Signer::p256("a"), Signer::p256("b"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks");
    let token = json!({"issuer": ISSUER, "subject": SUBJECT, "jwksFile": file});
    let config = of(ClusterConfig {
        token: Some(serde_json::from_value(token).unwrap()),
        ..ClusterConfig::default()
    });
    let shown = |signer: &Signer| Presented {
        token: Some(signer.token(&claims()).into()),
        certificates: None,
    };
    std::fs::write(&file, first.jwks()).unwrap();
    let before = Identities::new(&config, None);
    assert!(who(&before, &shown(&first)).await.is_ok());

    std::fs::write(&file, second.jwks()).unwrap();
    let after = Identities::new(&config, Some(&before));
    assert!(who(&after, &shown(&second)).await.is_ok());
    assert!(matches!(
        who(&after, &shown(&first)).await,
        Err(Refusal::Key)
    ));

    std::fs::write(&file, vec![b' '; 300_000]).unwrap();
    let after = Identities::new(&config, Some(&after));
    let refused = who(&after, &shown(&second)).await;
    assert!(
        matches!(refused, Err(Refusal::Keys(SourceError::TooLarge { .. }))),
        "{refused:?}"
    );
}

//! Several clusters, of which one at most may be meant.

use super::*;

fn config(signer: &Signer) -> ClusterConfig {
    ClusterConfig {
        token: Some(TokenConfig {
            issuer: ISSUER.to_owned(),
            subject: SUBJECT.to_owned(),
            audience: "flyte-registration-hub".to_owned(),
            jwks: Some(keys(signer)),
            jwks_file: None,
            jwks_url: None,
            ca_file: None,
        }),
        ..ClusterConfig::default()
    }
}

fn identities(clusters: &[(&str, ClusterConfig)]) -> Identities {
    let clusters = clusters
        .iter()
        .map(|(name, config)| ((*name).to_owned(), config.clone()));
    Identities::new(&clusters.collect(), None)
}

fn shown(token: &str) -> Presented {
    Presented {
        token: Some(token.into()),
        certificates: None,
    }
}

/// A certificate with these names, by itself.
fn certificate(names: &[rcgen::SanType]) -> CertificateDer<'static> {
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names = names.to_vec();
    let key = rcgen::KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn dns(name: &str) -> rcgen::SanType {
    rcgen::SanType::DnsName(name.try_into().unwrap())
}

fn uri(name: &str) -> rcgen::SanType {
    rcgen::SanType::URI(name.try_into().unwrap())
}

async fn who(identities: &Identities, presented: &Presented) -> Result<String, &'static str> {
    let identity = identities.authenticate(presented, now()).await;
    identity
        .map(|identity| identity.cluster.to_string())
        .map_err(|refused| refused.why.reason())
}

#[tokio::test]
async fn clusters_may_share_an_issuer_but_not_their_keys() {
    let (east, west) = (Signer::p256("e"), Signer::p256("w"));
    let identities = identities(&[("east", config(&east)), ("west", config(&west))]);
    assert_eq!(
        who(&identities, &shown(&east.token(&claims()))).await,
        Ok("east".to_owned())
    );
    assert_eq!(
        who(&identities, &shown(&west.token(&claims()))).await,
        Ok("west".to_owned())
    );
    // West's key under the id of east's.
    let header = json!({"alg": "ES256", "kid": "e"});
    let forged = west.sign(&header, &claims());
    assert_eq!(who(&identities, &shown(&forged)).await, Err("signature"));
    let strange = Signer::p256("x").token(&claims());
    assert_eq!(who(&identities, &shown(&strange)).await, Err("key"));
    let elsewhere = east.token(&claims_with("iss", &json!("https://other.example")));
    assert_eq!(who(&identities, &shown(&elsewhere)).await, Err("issuer"));
    assert_eq!(
        who(&identities, &Presented::default()).await,
        Err("nothing_shown")
    );
}

#[tokio::test]
async fn what_is_true_of_two_clusters_is_true_of_none() {
    let signer = Signer::p256("a");
    let certified = ClusterConfig {
        certificate: Some(CertificateName::Dns("agent.example".to_owned())),
        ..config(&signer)
    };
    let identities = identities(&[("one", certified.clone()), ("two", certified)]);
    let token = shown(&signer.token(&claims()));
    assert_eq!(who(&identities, &token).await, Err("ambiguous"));
    let certificate = Presented {
        token: None,
        certificates: Some(Arc::new(vec![certificate(&[dns("agent.example")])])),
    };
    assert_eq!(who(&identities, &certificate).await, Err("ambiguous"));
}

#[tokio::test]
async fn certificates_stand_for_clusters_by_their_names_alone() {
    let named = |name| ClusterConfig {
        certificate: Some(name),
        ..ClusterConfig::default()
    };
    let identities = identities(&[
        (
            "east",
            named(CertificateName::Dns("Agent.East.example".to_owned())),
        ),
        (
            "west",
            named(CertificateName::Uri("spiffe://acme/west/agent".to_owned())),
        ),
    ]);
    let cases = [
        (vec![dns("agent.east.example")], Ok("east".to_owned())),
        (
            vec![dns("other"), uri("spiffe://acme/west/agent")],
            Ok("west".to_owned()),
        ),
        (vec![dns("*.east.example")], Err("certificate_name")),
        (vec![dns("x.agent.east.example")], Err("certificate_name")),
        (
            vec![uri("spiffe://acme/west/agent/x")],
            Err("certificate_name"),
        ),
        (
            vec![uri("spiffe://acme/WEST/agent")],
            Err("certificate_name"),
        ),
        // A DNS name is no URI, and the other way round.
        (vec![uri("agent.east.example:x")], Err("certificate_name")),
        (vec![], Err("certificate_name")),
        (
            vec![dns("agent.east.example"), uri("spiffe://acme/west/agent")],
            Err("ambiguous"),
        ),
    ];
    for (names, expected) in cases {
        let presented = Presented {
            token: None,
            certificates: Some(Arc::new(vec![certificate(&names)])),
        };
        assert_eq!(who(&identities, &presented).await, expected, "{names:?}");
    }
    let garbage = Presented {
        token: None,
        certificates: Some(Arc::new(vec![CertificateDer::from(vec![0x30, 0])])),
    };
    assert_eq!(who(&identities, &garbage).await, Err("certificate_form"));
}

#[tokio::test]
async fn a_token_and_a_certificate_must_agree() {
    let (east, west) = (Signer::p256("e"), Signer::p256("w"));
    let named = |signer, name: &str| ClusterConfig {
        certificate: Some(CertificateName::Dns(name.to_owned())),
        ..config(signer)
    };
    let identities = identities(&[
        ("east", named(&east, "east")),
        ("west", named(&west, "west")),
    ]);
    let both = |signer: &Signer, name| Presented {
        certificates: Some(Arc::new(vec![certificate(&[dns(name)])])),
        ..shown(&signer.token(&claims()))
    };
    let identity = identities
        .authenticate(&both(&east, "east"), now())
        .await
        .unwrap();
    assert_eq!((&*identity.cluster, identity.how), ("east", How::Both));
    assert_eq!(
        who(&identities, &both(&east, "west")).await,
        Err("disagree")
    );
    assert_eq!(
        who(&identities, &both(&east, "nobody")).await,
        Err("certificate_name")
    );
    assert_eq!(
        who(&identities, &both(&Signer::p256("x"), "east")).await,
        Err("key")
    );
}

#[tokio::test]
async fn nothing_of_a_token_is_shown_and_what_it_claims_is_bounded() {
    let signer = Signer::p256("a");
    let identities = identities(&[("east", config(&signer))]);
    let claims = claims_with("sub", &json!(format!("evil\n{}", "x".repeat(2000))));
    let token = signer.token(&claims);
    let presented = shown(&token);
    assert!(!format!("{presented:?}").contains(&token));
    let refused = identities
        .authenticate(&presented, now())
        .await
        .unwrap_err();
    let claimed = refused.claimed.unwrap();
    assert!(claimed.len() < 600 && !claimed.contains('\n'), "{claimed}");
    assert!(claimed.starts_with("evil\\n"), "{claimed}");
}

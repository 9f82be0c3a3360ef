//! One token against the keys and rules of one cluster.

use flyte_registration_fixtures::signer::token;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use sha2::Sha256;

use super::*;

fn rules() -> Rules {
    Rules {
        issuer: ISSUER.to_owned(),
        subject: SUBJECT.to_owned(),
        audience: "flyte-registration-hub".to_owned(),
    }
}

/// Why it is refused, or nothing.
fn judge(text: &str, keys: &Keys) -> Result<Lifetime, &'static str> {
    let verified = Token::parse(text).and_then(|token| verify(&token, keys, &rules(), now()));
    verified.map_err(|refusal| refusal.reason())
}

#[test]
fn tokens_of_every_algorithm_that_kubernetes_signs_with_are_taken() {
    for signer in [Signer::p256("a"), Signer::p384("a"), rsa("a")] {
        let lifetime = judge(&signer.token(&claims()), &keys(&signer)).unwrap();
        assert_eq!(lifetime.expires.as_second(), NOW + 3000);
        assert_eq!(lifetime.issued.as_second(), NOW - 600);
    }
}

#[test]
fn a_token_cannot_choose_how_it_is_verified() {
    for signer in [Signer::p256("a"), rsa("a")] {
        let keys = keys(&signer);
        for none in ["none", "None", "nOnE", ""] {
            let header = json!({"alg": none, "kid": "a"});
            let unsigned = token(&header, &claims(), |_| Vec::new());
            assert_eq!(judge(&unsigned, &keys), Err("algorithm"));
            let signed = signer.sign(&header, &claims());
            assert_eq!(judge(&signed, &keys), Err("algorithm"));
        }
        // The public key, which everybody has, as the secret of an HMAC.
        let jwks = signer.jwks();
        for secret in [signer.public(), jwks.as_bytes()] {
            let header = json!({"alg": "HS256", "kid": "a"});
            let forged = token(&header, &claims(), |message| {
                let mut hmac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
                hmac.update(message);
                hmac.finalize().into_bytes().to_vec()
            });
            assert_eq!(judge(&forged, &keys), Err("algorithm"));
        }
        // A key of the attacker's own, brought along.
        let own = Signer::p256("a");
        let header = json!({"alg": own.algorithm(), "kid": "a", "jwk": own.jwk(), "jku": "https://evil.example/"});
        assert!(judge(&own.sign(&header, &claims()), &keys).is_err());
        let header = json!({"alg": signer.algorithm(), "kid": "a", "crit": ["b64"], "b64": false});
        assert_eq!(
            judge(&signer.sign(&header, &claims()), &keys),
            Err("malformed")
        );
    }
}

#[test]
fn a_signature_is_that_of_the_named_key_over_all_of_it() {
    let (signer, other) = (Signer::p256("a"), Signer::p256("a"));
    let good = signer.token(&claims());
    assert_eq!(judge(&good, &keys(&other)), Err("signature"));
    assert_eq!(judge(&good, &keys(&Signer::p256("b"))), Err("key"));
    let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("not three parts")
    };
    let more = signer.token(&claims_with("exp", &json!(NOW + 9_999_999)));
    let more = more.split('.').nth(1).unwrap();
    assert_eq!(
        judge(&format!("{header}.{more}.{signature}"), &keys(&signer)),
        Err("signature")
    );
    assert_eq!(
        judge(&format!("{header}.{body}."), &keys(&signer)),
        Err("signature")
    );
    // Zeros pass where an implementation forgets to look: CVE-2022-21449.
    let zeros = token(&json!({"alg": "ES256", "kid": "a"}), &claims(), |_| {
        vec![0; 64]
    });
    assert_eq!(judge(&zeros, &keys(&signer)), Err("signature"));
}

#[test]
fn every_claim_must_be_as_configured() {
    let signer = Signer::p256("a");
    let keys = keys(&signer);
    let cases = [
        ("iss", json!("https://evil.example"), "issuer"),
        ("iss", json!(format!("{ISSUER}/")), "issuer"),
        (
            "sub",
            json!("system:serviceaccount:flyte-registration:other"),
            "subject",
        ),
        ("sub", json!("system:serviceaccount:other:agent"), "subject"),
        ("sub", json!("system:node:agent"), "subject"),
        ("aud", json!(["https://kubernetes.default.svc"]), "audience"),
        ("aud", json!("flyte-registration-hub2"), "audience"),
        ("aud", json!([]), "audience"),
        ("exp", json!(NOW), "expired"),
        ("exp", json!(NOW - 1), "expired"),
        ("exp", json!(i64::MAX), "malformed"),
        ("exp", json!("2027"), "malformed"),
        ("nbf", json!(NOW + 61), "not_yet_valid"),
        ("iat", json!(NOW + 61), "not_yet_valid"),
        ("iss", Value::Null, "malformed"),
        ("sub", Value::Null, "malformed"),
        ("aud", Value::Null, "malformed"),
        ("exp", Value::Null, "malformed"),
    ];
    for (name, value, reason) in cases {
        let text = signer.token(&claims_with(name, &value));
        assert_eq!(judge(&text, &keys), Err(reason), "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!("flyte-registration-hub")),
        ("aud", json!(["another", "flyte-registration-hub"])),
        ("exp", json!(NOW + 1)),
        ("nbf", json!(NOW + 60)),
        ("nbf", Value::Null),
        ("iat", Value::Null),
    ] {
        let text = signer.token(&claims_with(name, &value));
        assert!(judge(&text, &keys).is_ok(), "{name}: {value}");
    }
}

#[test]
fn what_is_no_token_is_malformed() {
    let signer = Signer::p256("a");
    let keys = keys(&signer);
    let good = signer.token(&claims());
    let long = signer.token(&claims_with("pad", &json!("x".repeat(token::TOKEN_MAX))));
    let nameless = signer.sign(&json!({"alg": "ES256"}), &claims());
    let twice = good.replacen('.', ".e30.", 1);
    let spaced = format!("{good} ");
    let padded = format!("{good}=");
    for bad in [
        "", ".", "..", "a.b.c", "e30.e30.", &long, &nameless, &twice, &spaced, &padded,
    ] {
        assert_eq!(judge(bad, &keys), Err("malformed"), "{bad}");
    }
}

#[test]
fn key_sets_are_taken_for_what_can_be_used_of_them() {
    let (good, other) = (Signer::p256("a").jwk(), rsa("b").jwk());
    let with = |name: &str, value: Value| {
        let mut jwk = good.clone();
        jwk[name] = value;
        jwk
    };
    let set = json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "AA"},
        {"kty": "oct", "kid": "secret", "k": "AA"},
        with("use", json!("enc")),
        with("alg", json!("HS256")),
        with("kid", Value::Null),
        with("crv", json!("P-521")),
        with("x", json!("!")),
        other,
    ]});
    let keys = Keys::parse(set.to_string().as_bytes()).unwrap();
    assert!(keys.has("b"));
    assert!(
        ["a", "ed", "secret", ""].iter().all(|id| !keys.has(id)),
        "{keys:?}"
    );

    let many = json!({"keys": vec![good.clone(); 65]});
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"keys": []}"#,
        r#"{"keys": {}}"#,
        &many.to_string(),
    ] {
        assert!(Keys::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

proptest! {
    /// Whatever is changed of a good token, nobody takes it, and nothing breaks.
    #[test]
    fn a_changed_token_is_refused(place in 0..2000_usize, byte in any::<u8>()) {
        let signer = Signer::p256("a");
        let good = signer.token(&claims());
        let mut bytes = good.clone().into_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok(changed) = String::from_utf8(bytes) && changed != good {
            prop_assert!(judge(&changed, &keys(&signer)).is_err());
        }
    }
}

//! Who is let in, and what is not believed.

mod clusters;
mod issuers;
mod tokens;

use flyte_registration_fixtures::signer::{RSA_KEY, Signer};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://kubernetes.default.svc";
const SUBJECT: &str = "system:serviceaccount:flyte-registration:agent";
const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn rsa(id: &str) -> Signer {
    Signer::rsa_of(id, RSA_KEY.as_bytes())
}

fn keys(signer: &Signer) -> Keys {
    Keys::parse(signer.jwks().as_bytes()).unwrap()
}

/// What an API server puts into a token.
fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": ["flyte-registration-hub"],
        "iat": NOW - 600,
        "nbf": NOW - 600,
        "exp": NOW + 3000,
        "jti": "5d1e",
        "kubernetes.io": {
            "namespace": "flyte-registration",
            "serviceaccount": {"name": "agent", "uid": "0b26"},
        },
    })
}

/// The same with something else in it; `null` takes it out.
fn claims_with(name: &str, value: &Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value.clone();
    }
    claims
}

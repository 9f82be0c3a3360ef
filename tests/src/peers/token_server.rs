//! A token server for the registry. There is none in the package registries, so it is written after
//! distribution's documentation (<https://distribution.github.io/distribution/spec/auth/token/> and `/jwt/`); the real
//! registry judges its tokens.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header::AUTHORIZATION},
    routing::get,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use parking_lot::Mutex;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::{serve::Served, tls::Files};

/// What registry and tokens call each other.
pub(super) const SERVICE: &str = "registry";
pub(super) const ISSUER: &str = "token-server";
const KEY_ID: &str = "test-key";
const LIFE: Duration = Duration::from_mins(5);

/// Gives tokens to one user.
pub struct TokenServer {
    served: Served,
    signer: Arc<Signer>,
}

struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    basic: String,
    scopes: Mutex<Vec<String>>,
}

impl TokenServer {
    /// Starts one for `user`. The registry is to trust the keys in `jwks.json`, which is written into `dir`.
    pub(super) async fn start(
        dir: &Path,
        (user, password): (&str, &str),
        certificate: Option<&Files>,
    ) -> Result<Self> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).ok();
        let key = document
            .and_then(|key| EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).ok())
            .context("no key to sign tokens with")?;
        let signer = Arc::new(Signer {
            key,
            random,
            basic: format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
            scopes: Mutex::default(),
        });
        fs::write(keys(dir), signer.public_keys().to_string())?;
        let routes = Router::new()
            .route("/token", get(token))
            .with_state(Arc::clone(&signer));
        let served = Served::start(routes, certificate).await?;
        Ok(Self { served, signer })
    }

    /// Where it is asked for tokens.
    pub fn realm(&self) -> String {
        format!("{}/token", self.served.url())
    }

    /// The scopes of the tokens that it was asked for, in their order.
    pub fn scopes(&self) -> Vec<String> {
        self.signer.scopes.lock().clone()
    }

    /// A token for the harness itself.
    pub(super) fn grant(&self, scope: &str) -> Result<String> {
        self.signer.sign(&[scope.to_owned()])
    }
}

/// Where the public keys of a token server in `dir` are.
pub(super) fn keys(dir: &Path) -> PathBuf {
    dir.join("jwks.json")
}

async fn token(
    State(signer): State<Arc<Signer>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    if headers.get(AUTHORIZATION).map(HeaderValue::as_bytes) != Some(signer.basic.as_bytes()) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let scopes: Vec<String> = query
        .filter(|(key, _)| key == "scope")
        .map(|(_, scope)| scope.into_owned())
        .collect();
    let token = signer.sign(&scopes);
    signer.scopes.lock().extend(scopes);
    let token = token.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(
        json!({"token": token, "access_token": token, "expires_in": LIFE.as_secs()}),
    ))
}

impl Signer {
    /// A JSON Web Token with the access that `scopes` ask for.
    fn sign(&self, scopes: &[String]) -> Result<String> {
        let access: Vec<Value> = scopes.iter().filter_map(|scope| access(scope)).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "iss": ISSUER,
            "sub": "user",
            "aud": SERVICE,
            "iat": now,
            "nbf": now,
            "exp": now + LIFE.as_secs(),
            "jti": rand::random::<u64>().to_string(),
            "access": access,
        });
        let header = json!({"typ": "JWT", "alg": "ES256", "kid": KEY_ID});
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).ok();
        let signature = signature.context("cannot sign")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// As a JSON Web Key Set.
    fn public_keys(&self) -> Value {
        // An uncompressed point: 4, x, y (SEC 1, 2.3.3).
        let point = self.key.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        json!({"keys": [{
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
            "kid": KEY_ID,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        }]})
    }
}

/// `repository:team/etl:pull,push` as the claim of a token.
fn access(scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<&str> = actions.split(',').collect();
    Some(json!({"type": kind, "name": name, "actions": actions}))
}

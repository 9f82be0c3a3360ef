//! Authentication, as a `FlyteAdmin` with `useAuth` and its built-in authorization server
//! has it: static clients, client credentials, access tokens.

use std::{
    collections::BTreeMap,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use flyte_registration_proto::flyteidl::service::{
    OAuth2MetadataResponse, PublicClientAuthConfigResponse,
};
use parking_lot::RwLock;

use self::token::Key;

mod check;
mod grant;
mod token;

/// The header under which clients are asked to send their token.
pub const HEADER: &str = "flyte-authorization";
/// The `OpenID` Connect provider that the real server insists on. Nothing asks it.
pub const PROVIDER: &str = "http://provider.invalid";

/// A client that may ask for tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret; a dummy, as all of the emulator.
    pub secret: String,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
}

impl FromStr for Client {
    type Err = String;

    /// Reads `ID:SECRET:SCOPE,SCOPE`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':').map(str::to_owned);
        let (Some(id), Some(secret), Some(scopes)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("must be ID:SECRET:SCOPE,SCOPE".to_owned());
        };
        let scopes = scopes.split(',').map(str::to_owned).collect();
        Ok(Self { id, secret, scopes })
    }
}

/// The authorization server, and the check of what it gave out.
#[derive(Debug)]
pub struct Authority {
    /// Where HTTP is served; issuer and audience of all tokens.
    url: String,
    /// How long a token lasts.
    life: Duration,
    key: Key,
    clients: RwLock<BTreeMap<String, Client>>,
    /// Seconds that the clock is ahead.
    ahead: AtomicU64,
}

impl Authority {
    pub(crate) fn new(url: String, life: Duration, clients: &[Client]) -> Self {
        let clients = clients.iter().map(|one| (one.id.clone(), one.clone()));
        Self {
            url,
            life,
            key: Key::random(),
            clients: RwLock::new(clients.collect()),
            ahead: AtomicU64::new(0),
        }
    }

    /// Adds a client, or replaces the one of its id. Tokens that were given out stay good.
    pub fn set_client(&self, client: Client) {
        self.clients.write().insert(client.id.clone(), client);
    }

    /// Moves the clock forward, so that tokens expire.
    pub fn forward(&self, by: Duration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    /// Seconds since 1970.
    fn now(&self) -> u64 {
        crate::store::now() / 1_000_000 + self.ahead.load(Ordering::Relaxed)
    }

    /// What `GetOAuth2Metadata` answers.
    pub(crate) fn metadata(&self) -> OAuth2MetadataResponse {
        let at = |path: &str| format!("{}/oauth2/{path}", self.url);
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        OAuth2MetadataResponse {
            issuer: self.url.clone(),
            authorization_endpoint: at("authorize"),
            token_endpoint: at("token"),
            response_types_supported: texts(&["code", "token", "code token"]),
            scopes_supported: texts(&["all"]),
            token_endpoint_auth_methods_supported: texts(&["client_secret_basic"]),
            jwks_uri: at("jwks"),
            code_challenge_methods_supported: texts(&["S256"]),
            grant_types_supported: texts(&[
                "client_credentials",
                "refresh_token",
                "authorization_code",
            ]),
            device_authorization_endpoint: String::new(),
        }
    }

    /// What `GetPublicClientConfig` answers: the defaults of the real server.
    pub(crate) fn public_client() -> PublicClientAuthConfigResponse {
        PublicClientAuthConfigResponse {
            client_id: "flytectl".to_owned(),
            redirect_uri: "http://localhost:53593/callback".to_owned(),
            scopes: vec!["all".to_owned(), "offline".to_owned()],
            authorization_metadata_key: HEADER.to_owned(),
            service_http_endpoint: String::new(),
            audience: String::new(),
        }
    }
}

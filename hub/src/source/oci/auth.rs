//! Authentication to one registry: basic, or tokens from its own token service.
//!
//! Credentials go to the registry's host alone. What the registry wants is learned from its first
//! refusal and remembered, so that later requests need not be refused first.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flyte_registration_crd::Reason;
use http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION};
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::{
    Trouble,
    challenge::Challenge,
    wire::{SMALL_BODY_MAX, body, refusal},
};
use crate::{
    flight::Flights,
    source::{
        credentials::{Credentials, Held, Provider, Secret},
        error::Failure,
    },
};

/// How long a token lasts that does not say so (distribution's token specification).
const TOKEN_LIFE_DEFAULT: u64 = 60;
/// Most tokens kept; each is for one repository.
const TOKENS_MAX: usize = 1024;

/// What may be done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read.
    Pull,
    /// Read and write.
    Push,
}

/// The state of authentication to one registry.
pub(crate) struct Auth {
    base: Url,
    host: String,
    provider: Option<Provider>,
    access: Access,
    timeout: Duration,
    http: reqwest::Client,
    state: Arc<Mutex<State>>,
    fetching: Flights<(u64, String), Result<HeaderValue, Failure>>,
}

#[derive(Default)]
struct State {
    /// Counts the credentials that there were.
    generation: u64,
    held: Option<Held>,
    challenge: Option<Challenge>,
    tokens: HashMap<String, Token>,
}

struct Token {
    header: HeaderValue,
    until: Instant,
}

/// What goes with a request.
#[derive(Clone, Debug)]
pub(crate) struct Authorization {
    /// The `Authorization` header.
    pub(crate) header: Option<HeaderValue>,
    /// Which credentials are behind it.
    pub(crate) generation: u64,
}

impl Auth {
    /// Authentication to the registry that is called `host`, at `base`.
    pub(crate) fn new(
        base: Url,
        host: String,
        provider: Option<Provider>,
        access: Access,
        timeout: Duration,
        http: reqwest::Client,
    ) -> Self {
        Self {
            base,
            host,
            provider,
            access,
            timeout,
            http,
            state: Arc::default(),
            fetching: Flights::default(),
        }
    }

    /// What to send with a request about `repository`, as far as is known what the registry wants.
    pub(crate) async fn authorization(&self, repository: &str) -> Result<Authorization, Trouble> {
        let generation = self.generation().await?;
        let challenge = self.state.lock().challenge.clone();
        let header = match challenge {
            None => None,
            Some(challenge) => match self.answer(&challenge, generation, repository).await {
                Ok(header) => Some(header),
                Err(trouble) => {
                    // The registry may want something else by now. It is asked next time.
                    self.state.lock().challenge = None;
                    return Err(trouble);
                }
            },
        };
        Ok(Authorization { header, generation })
    }

    /// What to send after `sent` was refused with 401 and `headers`.
    pub(crate) async fn challenged(
        &self,
        repository: &str,
        headers: &HeaderMap,
        sent: Authorization,
    ) -> Result<Authorization, Trouble> {
        let challenge =
            Challenge::read(headers, &self.base).map_err(|problem| self.unauthorized(&problem))?;
        {
            let mut state = self.state.lock();
            state.challenge = Some(challenge.clone());
            if state
                .tokens
                .get(repository)
                .is_some_and(|token| Some(&token.header) == sent.header.as_ref())
            {
                state.tokens.remove(repository);
            }
        }
        let header = self.answer(&challenge, sent.generation, repository).await?;
        if sent.header.as_ref() == Some(&header) {
            return Err(self.unauthorized("refuses the source's credentials"));
        }
        Ok(Authorization {
            header: Some(header),
            generation: sent.generation,
        })
    }

    /// What `repository` is accessed with, by asking the registry what it wants.
    pub(crate) async fn probe(&self, repository: &str) -> Result<Authorization, Failure> {
        let asked = self.authorization(repository).await?;
        let mut url = self.base.clone();
        url.set_path("/v2/");
        let mut request = self.http.get(url).timeout(self.timeout);
        if let Some(header) = &asked.header {
            request = request.header(AUTHORIZATION, header);
        }
        let response = request.send().await;
        let response = response.map_err(|error| Failure::unreachable(&self.host, error))?;
        match response.status() {
            StatusCode::UNAUTHORIZED => Ok(self
                .challenged(repository, response.headers(), asked)
                .await?),
            StatusCode::OK => Ok(asked),
            _ => Err(refusal(response, "no OCI registry", &self.host).await),
        }
    }

    /// Reads the credentials again and says which they are. Others than before make all tokens void.
    pub(super) async fn generation(&self) -> Result<u64, Failure> {
        let Some(provider) = &self.provider else {
            return Ok(0);
        };
        let held = provider.read().await?;
        let mut state = self.state.lock();
        if state.held.as_ref() != Some(&held) {
            state.generation += 1;
            state.held = Some(held);
            state.tokens.clear();
        }
        Ok(state.generation)
    }

    async fn answer(
        &self,
        challenge: &Challenge,
        generation: u64,
        repository: &str,
    ) -> Result<HeaderValue, Trouble> {
        let credentials = match self.secret(repository) {
            Some(Secret::Token(token)) => return Ok(bearer(&token)?),
            Some(Secret::Password(credentials)) => Some(credentials),
            None => None,
        };
        let Challenge::Bearer { realm, service } = challenge else {
            let wants = || self.unauthorized("asks for credentials, and the source has none");
            return Ok(basic(&credentials.ok_or_else(wants)?)?);
        };
        if let Some(token) = self.state.lock().tokens.get(repository)
            && token.until > Instant::now()
        {
            return Ok(token.header.clone());
        }
        let request = TokenRequest {
            http: self.http.clone(),
            url: self.token_url(realm, service.as_deref(), repository),
            host: self.host.clone(),
            timeout: self.timeout,
            credentials,
        };
        let (state, key) = (Arc::clone(&self.state), repository.to_owned());
        let fetch = || async move {
            let token = request.send().await?;
            let header = token.header.clone();
            let mut state = state.lock();
            if state.generation == generation {
                state.remember(key, token);
            }
            Ok(header)
        };
        Ok(self
            .fetching
            .join((generation, repository.to_owned()), fetch)
            .await?)
    }

    fn secret(&self, repository: &str) -> Option<Secret> {
        let state = self.state.lock();
        state.held.as_ref()?.secret(&self.host, repository).cloned()
    }

    fn token_url(&self, realm: &Url, service: Option<&str>, repository: &str) -> Url {
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let mut url = realm.clone();
        url.query_pairs_mut()
            .extend_pairs(service.map(|service| ("service", service)))
            .append_pair("scope", &format!("repository:{repository}:{actions}"));
        url
    }

    fn unauthorized(&self, problem: &str) -> Trouble {
        Trouble::Final(Failure::new(
            Reason::SourceUnauthorized,
            format!("{} {problem}", self.host),
        ))
    }
}

impl State {
    fn remember(&mut self, repository: String, token: Token) {
        if self.tokens.len() >= TOKENS_MAX {
            let now = Instant::now();
            self.tokens.retain(|_, token| token.until > now);
        }
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.clear();
        }
        self.tokens.insert(repository, token);
    }
}

struct TokenRequest {
    http: reqwest::Client,
    url: Url,
    host: String,
    timeout: Duration,
    credentials: Option<Credentials>,
}

/// A token service's answer. Old ones say `token`, OAuth 2 says `access_token`, most say both.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
    expires_in: Option<u64>,
}

impl TokenRequest {
    async fn send(self) -> Result<Token, Failure> {
        let (timeout, host) = (self.timeout, self.host.clone());
        let late = |_| Failure::timed_out(&host, timeout);
        tokio::time::timeout(timeout, self.exchange())
            .await
            .map_err(late)?
            .map_err(Failure::from)
    }

    async fn exchange(self) -> Result<Token, Trouble> {
        let service = format!("the token service of {}", self.host);
        let mut request = self.http.get(self.url);
        if let Some(credentials) = &self.credentials {
            request = request.header(AUTHORIZATION, basic(credentials)?);
        }
        let asked = Instant::now();
        let response = request
            .send()
            .await
            .map_err(|error| Trouble::of(&service, error))?;
        if !response.status().is_success() {
            return Err(refusal(response, "no token", &service).await.into());
        }
        let body = body(response, SMALL_BODY_MAX, &service).await?;
        let unreadable = || {
            Failure::new(
                Reason::SourceUnavailable,
                format!("{service} gives no token"),
            )
        };
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| unreadable())?;
        let token = answer
            .token
            .or(answer.access_token)
            .ok_or_else(unreadable)?;
        // A tenth of its life is kept for the way to the registry.
        let life = Duration::from_secs(answer.expires_in.unwrap_or(TOKEN_LIFE_DEFAULT).min(86_400))
            * 9
            / 10;
        Ok(Token {
            header: bearer(&token)?,
            until: asked + life,
        })
    }
}

fn basic(credentials: &Credentials) -> Result<HeaderValue, Failure> {
    let pair = format!(
        "{}:{}",
        credentials.username.expose_secret(),
        credentials.password.expose_secret()
    );
    secret_header(&format!("Basic {}", STANDARD.encode(pair)))
}

fn bearer(token: &SecretString) -> Result<HeaderValue, Failure> {
    secret_header(&format!("Bearer {}", token.expose_secret()))
}

fn secret_header(text: &str) -> Result<HeaderValue, Failure> {
    let mut header = HeaderValue::from_str(text).map_err(|_| {
        Failure::new(
            Reason::SourceUnauthorized,
            "the token cannot stand in a header",
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

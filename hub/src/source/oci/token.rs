//! Tokens from the token service of a registry.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use flyte_registration_crd::Reason;
use http::HeaderValue;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::source::{
    client::{
        Client, Service,
        wire::{SMALL_BODY_MAX, body},
    },
    credentials::{Credentials, Secret},
    error::Failure,
};

/// How long a token lasts that does not say so (distribution's token specification).
const TOKEN_LIFE_DEFAULT: u64 = 60;
/// Most tokens kept; each is for one repository.
const TOKENS_MAX: usize = 1024;

/// The tokens that there are, by repository.
#[derive(Default)]
pub(super) struct Tokens(HashMap<String, Token>);

/// A token as a header, which is sensitive.
pub(super) struct Token {
    pub(super) header: HeaderValue,
    until: Instant,
}

impl Tokens {
    /// The token of a repository, unless it is too old.
    pub(super) fn valid(&self, repository: &str) -> Option<HeaderValue> {
        let token = self.0.get(repository)?;
        (token.until > Instant::now()).then(|| token.header.clone())
    }

    /// A request about a repository was refused that was sent with `header`.
    pub(super) fn refused(&mut self, repository: &str, header: Option<&HeaderValue>) {
        let held = self.0.get(repository);
        if held.is_some_and(|token| Some(&token.header) == header) {
            self.0.remove(repository);
        }
    }

    /// Keeps the token of a repository.
    pub(super) fn keep(&mut self, repository: String, token: Token) {
        if self.0.len() >= TOKENS_MAX {
            let now = Instant::now();
            self.0.retain(|_, token| token.until > now);
        }
        if self.0.len() >= TOKENS_MAX {
            self.0.clear();
        }
        self.0.insert(repository, token);
    }
}

/// Asks a token service for one token.
pub(super) struct TokenRequest {
    pub(super) client: Arc<Client>,
    pub(super) url: Url,
    pub(super) at: Service,
    pub(super) credentials: Option<Credentials>,
}

/// A token service's answer. Old ones say `token`, OAuth 2 says `access_token`, most say both.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
    expires_in: Option<u64>,
}

impl TokenRequest {
    pub(super) async fn send(self) -> Result<Token, Failure> {
        let header = self
            .credentials
            .as_ref()
            .map(Credentials::basic)
            .transpose()?;
        let asked = Instant::now();
        let answer = self.client.ask(self.url, self.at, header).await?;
        if !answer.response.status().is_success() {
            return Err(self.client.refusal(answer, "no token").await);
        }
        let from = answer.from;
        let body = body(answer.response, SMALL_BODY_MAX, &from);
        let body = self.client.in_time(body).await?;
        let unreadable = || {
            let message = format!("{from} gives no token");
            Failure::new(Reason::SourceUnavailable, message)
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
            header: Secret::Token(token).header()?,
            until: asked + life,
        })
    }
}

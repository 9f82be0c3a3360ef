//! Authentication to one registry: basic, or tokens from its own token service.
//!
//! Credentials go to the registry's host alone. What the registry wants is learned from its first
//! refusal and remembered, so that later requests need not be refused first.

use std::sync::Arc;

use flyte_registration_crd::Reason;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use parking_lot::Mutex;
use url::Url;

use super::{
    challenge::{Challenge, Owner},
    token::{TokenRequest, Tokens},
};
use crate::{
    flight::Flights,
    source::{
        client::{Client, Outgoing, Trouble},
        credentials::{Held, Provider, Secret},
        error::Failure,
        names::Authority,
    },
};

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
    client: Arc<Client>,
    provider: Option<Provider>,
    access: Access,
    /// Hosts of token services that may get the credentials.
    realms: Vec<Authority>,
    state: Arc<Mutex<State>>,
    fetching: Flights<(u64, String), Result<HeaderValue, Failure>>,
}

#[derive(Default)]
struct State {
    /// Counts the credentials that there were.
    generation: u64,
    held: Option<Held>,
    challenge: Option<Challenge>,
    tokens: Tokens,
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
    /// Authentication to the registry of `client`, by its own token service or one on a host of
    /// `realms`.
    pub(crate) fn new(
        client: Arc<Client>,
        provider: Option<Provider>,
        access: Access,
        realms: Vec<Authority>,
    ) -> Self {
        Self {
            client,
            provider,
            access,
            realms,
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
        let owner = Owner {
            base: self.client.base(),
            name: self.client.name(),
            realms: &self.realms,
        };
        let challenge =
            Challenge::read(headers, &owner).map_err(|problem| self.unauthorized(&problem))?;
        {
            let mut state = self.state.lock();
            state.challenge = Some(challenge.clone());
            state.tokens.refused(repository, sent.header.as_ref());
        }
        let header = self.answer(&challenge, sent.generation, repository).await?;
        if sent.header.as_ref() == Some(&header) {
            return self.renewed(&challenge, repository).await;
        }
        Ok(Authorization {
            header: Some(header),
            generation: sent.generation,
        })
    }

    /// What to send after the credentials themselves were refused, if there are others now.
    async fn renewed(
        &self,
        challenge: &Challenge,
        repository: &str,
    ) -> Result<Authorization, Trouble> {
        let refused = self.state.lock().held.clone();
        let provider = self.provider.as_ref().zip(refused);
        if !provider.is_some_and(|(provider, held)| provider.refused(&held)) {
            return Err(self.unauthorized("refuses the source's credentials"));
        }
        let generation = self.generation().await?;
        let header = self.answer(challenge, generation, repository).await?;
        Ok(Authorization {
            header: Some(header),
            generation,
        })
    }

    /// What `repository` is accessed with, by asking the registry what it wants.
    pub(crate) async fn probe(&self, repository: &str) -> Result<Authorization, Failure> {
        let asked = self.authorization(repository).await?;
        let mut url = self.client.base().clone();
        url.set_path("/v2/");
        let request = Outgoing {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            authorization: asked.header.clone(),
            may_leave: false,
        };
        let answer = self.client.send(&request).await?;
        match answer.response.status() {
            StatusCode::UNAUTHORIZED => {
                let headers = answer.response.headers();
                Ok(self.challenged(repository, headers, asked).await?)
            }
            StatusCode::OK => Ok(asked),
            _ => Err(self.client.refusal(answer, "no OCI registry").await),
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
            state.tokens = Tokens::default();
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
            Some(token @ Secret::Token(_)) => return Ok(token.header()?),
            Some(Secret::Password(credentials)) => Some(credentials),
            None => None,
        };
        let Challenge::Bearer { realm, service, at } = challenge else {
            let wants = || self.unauthorized("asks for credentials, and the source has none");
            return Ok(credentials.ok_or_else(wants)?.basic()?);
        };
        if let Some(header) = self.state.lock().tokens.valid(repository) {
            return Ok(header);
        }
        let request = TokenRequest {
            client: Arc::clone(&self.client),
            url: self.token_url(realm, service.as_deref(), repository),
            at: *at,
            credentials,
        };
        let (state, key) = (Arc::clone(&self.state), repository.to_owned());
        let fetch = || async move {
            let token = request.send().await?;
            let header = token.header.clone();
            let mut state = state.lock();
            if state.generation == generation {
                state.tokens.keep(key, token);
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
        state
            .held
            .as_ref()?
            .secret(self.client.name(), repository)
            .cloned()
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
            format!("{} {problem}", self.client.name()),
        ))
    }
}

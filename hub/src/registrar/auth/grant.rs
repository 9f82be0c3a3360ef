//! OAuth 2 client credentials (RFC 6749, 4.4).

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flyte_registration_crd::bounded;
use http::{HeaderValue, StatusCode, header};
use reqwest::{Response, redirect};
use secrecy::ExposeSecret as _;
use url::{Url, form_urlencoded};

use super::{
    AuthConfig,
    answer::{Answer, Token},
    config::token_url,
    discovery::Wanted,
    error::{AuthError, Cause, QUOTED_MAX},
};
use crate::{
    registrar::{EndpointError, FlyteAdminConfig, admin::causes},
    source::{
        client::{USER_AGENT, authorities},
        credentials::{CredentialFiles, Credentials},
    },
};

/// Largest answer of the token endpoint.
const ANSWER_MAX: usize = 64 << 10;

/// A way to tokens.
pub(super) struct Grant {
    files: CredentialFiles,
    audience: Option<String>,
    insecure: bool,
    ca_file: Option<PathBuf>,
    /// The endpoint refused the header and took the form.
    by_form: AtomicBool,
}

impl Grant {
    pub(super) fn new(auth: &AuthConfig, config: &FlyteAdminConfig) -> Result<Self, EndpointError> {
        // What cannot be used now is told now.
        http(config.ca_file.as_deref(), config.insecure)?;
        Ok(Self {
            files: CredentialFiles::either(
                auth.client_id.as_deref(),
                auth.client_id_file.as_deref(),
                &auth.client_secret_file,
            ),
            audience: auth.audience.clone(),
            insecure: config.insecure,
            ca_file: config.ca_file.clone(),
            by_form: AtomicBool::new(false),
        })
    }

    /// Asks for a token. The caller bounds the time.
    pub(super) async fn token(&self, wanted: &Wanted) -> Result<Token, AuthError> {
        let url = token_url(&wanted.url, self.insecure);
        let url = url.ok_or(AuthError::new(Cause::Plaintext))?;
        let client = self.files.read().await;
        let client = client.map_err(|error| AuthError::new(Cause::Files(error)))?;
        let at = format!("{}{}", url.origin().ascii_serialization(), url.path());
        // Tokens are rare, and the file may have been replaced since the last one.
        let http = http(self.ca_file.as_deref(), self.insecure).map_err(|error| {
            let (at, why) = (at.clone(), causes(&error));
            AuthError::new(Cause::Unreachable { at, why })
        })?;
        let request = Request {
            grant: self,
            http,
            at,
            url,
            client,
            scope: wanted.scopes.join(" "),
        };
        let asked = Instant::now();
        let answer = request.send().await?;
        let token = answer.token(asked);
        token.map_err(|problem| request.unusable(problem))
    }
}

struct Request<'a> {
    grant: &'a Grant,
    http: reqwest::Client,
    url: Url,
    /// The URL for people: without its query.
    at: String,
    client: Credentials,
    scope: String,
}

impl Request<'_> {
    /// The header first, which every authorization server has to take, and then the form, as
    /// some do not.
    async fn send(&self) -> Result<Answer, AuthError> {
        let by_form = self.grant.by_form.load(Ordering::Relaxed);
        let (first_status, first) = self.post(by_form).await?;
        if first_status.is_success() {
            return Ok(first);
        }
        let other_way = [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED].contains(&first_status)
            && first.error.as_deref().is_none_or(|error| {
                ["invalid_client", "invalid_request", "unauthorized_client"].contains(&error)
            });
        if other_way {
            let (status, answer) = self.post(!by_form).await?;
            if status.is_success() {
                self.grant.by_form.store(!by_form, Ordering::Relaxed);
                return Ok(answer);
            }
        }
        Err(AuthError::new(Cause::Denied {
            at: self.at.clone(),
            status: first_status,
            error: first.code(),
        }))
    }

    async fn post(&self, by_form: bool) -> Result<(StatusCode, Answer), AuthError> {
        let response = self.request(by_form)?.send().await;
        let response = response.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let body = self.body(response).await?;
        // A refusal is clear enough without its body; what is no answer has no token.
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    fn request(&self, by_form: bool) -> Result<reqwest::RequestBuilder, AuthError> {
        let id = self.client.username.expose_secret();
        let secret = self.client.password.expose_secret();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("scope", &self.scope);
        if let Some(audience) = &self.grant.audience {
            form.append_pair("audience", audience);
        }
        let mut request = self.http.post(self.url.clone());
        if by_form {
            form.append_pair("client_id", id);
            form.append_pair("client_secret", secret);
        } else {
            let encoded =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
            let value = HeaderValue::try_from(format!("Basic {pair}"));
            let mut value =
                value.map_err(|_| self.unusable("the client's id and secret are too long"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        Ok(request
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(form.finish()))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, AuthError> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(error))?
        {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(self.unusable("the answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unusable(&self, problem: &'static str) -> AuthError {
        let at = self.at.clone();
        AuthError::new(Cause::Unusable { at, problem })
    }

    fn unreachable(&self, error: reqwest::Error) -> AuthError {
        let at = self.at.clone();
        // The URL may have a query, and the error shows it.
        let why = bounded(&causes(&error.without_url()), QUOTED_MAX);
        AuthError::new(Cause::Unreachable { at, why })
    }
}

/// A client for the token endpoint.
fn http(ca_file: Option<&Path>, insecure: bool) -> Result<reqwest::Client, EndpointError> {
    let authorities = authorities(ca_file).map_err(EndpointError::Certificates)?;
    // To the system's authorities, as tokens may come from elsewhere than FlyteAdmin.
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .tls_certs_merge(authorities)
        .https_only(!insecure)
        // Nobody else is to be sent the secret.
        .redirect(redirect::Policy::none())
        .build()
        .map_err(EndpointError::TokenClient)
}

//! The token endpoint's decision. The texts are those of the library (fosite) that the
//! real server uses.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{Authority, Client};

const MALFORMED: &str = "The request is missing a required parameter, includes an invalid \
    parameter value, includes a parameter more than once, or is otherwise malformed.";

/// A token.
#[derive(Debug)]
pub(crate) struct Granted {
    /// For the header.
    pub(crate) token: String,
    /// Its scopes, in one text.
    pub(crate) scope: String,
    /// Seconds that it lasts at least.
    pub(crate) expires_in: u64,
}

/// None.
#[derive(Debug)]
pub(crate) struct Refused {
    /// HTTP status.
    pub(crate) status: u16,
    /// Code of RFC 6749.
    pub(crate) error: &'static str,
    /// For people.
    pub(crate) description: String,
}

impl Refused {
    fn request(hint: &str) -> Self {
        Self {
            status: 400,
            error: "invalid_request",
            description: format!("{MALFORMED} {hint}"),
        }
    }
}

impl Authority {
    /// Answers a request: its method, its `Authorization` header, its form.
    pub(crate) fn grant(
        &self,
        method: &str,
        authorization: Option<&str>,
        form: &[u8],
    ) -> Result<Granted, Refused> {
        if method != "POST" {
            let hint = format!("HTTP method is '{method}', expected 'POST'.");
            return Err(Refused::request(&hint));
        }
        let form: BTreeMap<String, String> =
            url::form_urlencoded::parse(form).into_owned().collect();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let client = self.client(authorization, field("client_id"), field("client_secret"))?;
        if field("grant_type") != "client_credentials" {
            return Err(Refused::request(
                "Make sure that the various parameters are correct, be aware of case sensitivity \
                 and trim your parameters. Make sure that the client you are using has exactly \
                 whitelisted the redirect_uri you specified.",
            ));
        }
        let scopes: Vec<_> = field("scope").split_ascii_whitespace().collect();
        let allowed = |scope: &str| client.scopes.iter().any(|one| one == scope);
        if let Some(scope) = scopes.iter().find(|scope| !allowed(scope)) {
            return Err(Refused {
                status: 400,
                error: "invalid_scope",
                description: format!(
                    "The requested scope is invalid, unknown, or malformed. The OAuth 2.0 Client \
                     is not allowed to request scope '{scope}'."
                ),
            });
        }
        if let Some(audience) = field("audience").split_ascii_whitespace().next() {
            let hint = format!(
                "Requested audience '{audience}' has not been whitelisted by the OAuth 2.0 Client."
            );
            return Err(Refused::request(&hint));
        }
        Ok(Granted {
            token: self.token(&scopes),
            scope: scopes.join(" "),
            // Some of the last second is over when it is counted.
            expires_in: self.life.as_secs().saturating_sub(1),
        })
    }

    fn client(
        &self,
        authorization: Option<&str>,
        form_id: &str,
        form_secret: &str,
    ) -> Result<Client, Refused> {
        let (id, secret) = match authorization.and_then(basic) {
            Some(given) => given,
            None if form_id.is_empty() => {
                return Err(Refused::request(
                    "Client credentials missing or malformed in both HTTP Authorization header \
                     and HTTP POST body.",
                ));
            }
            None => (form_id.to_owned(), form_secret.to_owned()),
        };
        let clients = self.clients.read();
        let client = clients.get(&id).filter(|client| client.secret == secret);
        client.cloned().ok_or_else(|| Refused {
            status: 401,
            error: "invalid_client",
            description: "Client authentication failed (e.g., unknown client, no client \
                authentication included, or unsupported authentication method)."
                .to_owned(),
        })
    }
}

/// Id and secret of a `Basic` header, each of them encoded as in a form (RFC 6749, 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| {
        let mut pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.next().map(|(text, _)| text.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}

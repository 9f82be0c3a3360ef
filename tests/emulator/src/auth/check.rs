//! The check that a call passes before it is answered.

use serde_json::Value;
use tonic::{Code, metadata::MetadataMap};

use super::{Authority, HEADER, PROVIDER};
use crate::error::{AdminError, Answer};

impl Authority {
    /// The claims of the caller's token, if it may do everything: there are no lesser rights.
    pub(crate) fn check(&self, metadata: &MetadataMap) -> Answer<Value> {
        let header = |name| metadata.get(name).and_then(|value| value.to_str().ok());
        // The server copies the second behind the first, and reads one.
        self.check_header(header("authorization").or_else(|| header(HEADER)))
    }

    /// The same for a header.
    pub(crate) fn check_header(&self, header: Option<&str>) -> Answer<Value> {
        let claims = self.bearer(header).map_err(|bearer| {
            let id = id_token(header);
            let text = format!("token parse error id token err: {bearer}, {id}");
            AdminError::new(Code::Unauthenticated, text)
        })?;
        let scopes = claims["scp"].as_array();
        let says = |wanted| scopes.is_some_and(|scopes| scopes.iter().any(|one| one == wanted));
        // The server takes a token that names neither a client nor scopes for a user's.
        let user = claims["client_id"] == "" && scopes.is_none_or(Vec::is_empty);
        if says("all") || user {
            return Ok(claims);
        }
        let text = "authenticated user doesn't have required scope";
        Err(AdminError::new(Code::Unauthenticated, text))
    }

    fn bearer(&self, header: Option<&str>) -> Result<Value, String> {
        let token = with_scheme(header, "Bearer").map_err(|text| not_there("bearer", &text))?;
        let claims = self.claims(token);
        claims.map_err(|text| format!("access token err: {text}"))
    }
}

/// What is wrong with the header as one with an ID token: nothing issues these.
fn id_token(header: Option<&str>) -> String {
    match with_scheme(header, "IDToken") {
        Err(text) => not_there("id", &text),
        Ok(_) => format!(
            "access token err: [JWT_VERIFICATION_FAILED] jwt parse with claims failed, caused by: \
             oidc: id token issued by a different provider, expected {PROVIDER:?} got \"\""
        ),
    }
}

fn not_there(kind: &str, text: &str) -> String {
    format!(
        "access token err: [JWT_VERIFICATION_FAILED] Could not retrieve {kind} token from \
         metadata, caused by: rpc error: code = Unauthenticated desc = {text}"
    )
}

fn with_scheme<'a>(header: Option<&'a str>, scheme: &str) -> Result<&'a str, String> {
    let other = || format!("Request unauthenticated with {scheme}");
    let header = header.filter(|header| !header.is_empty());
    match header.ok_or_else(other)?.split_once(' ') {
        None => Err("Bad authorization string".to_owned()),
        Some((given, token)) if given.eq_ignore_ascii_case(scheme) => Ok(token),
        Some(_) => Err(other()),
    }
}

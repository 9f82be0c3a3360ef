//! How a registry wants to be authenticated to, and whether the hub does that. Pure.

use http::{HeaderMap, header::WWW_AUTHENTICATE};
use http_auth::{ChallengeRef, parser::ChallengeParser};
use url::Url;

use crate::source::{client::Service, error::quoted, names::Authority};

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from its token service.
    Bearer {
        /// Where the token service is.
        realm: Url,
        /// What the registry calls itself there.
        service: Option<String>,
        /// Whose host it is on.
        at: Service,
    },
}

/// Who asks for credentials.
pub(super) struct Owner<'a> {
    /// Where requests go.
    pub(super) base: &'a Url,
    /// `host[:port]` that it is called by, which differs where an endpoint is configured.
    pub(super) name: &'a str,
    /// Hosts of token services that the configuration allows.
    pub(super) realms: &'a [Authority],
}

/// Registries and the hosts of their token services, of old and documented by their makers.
const KNOWN: [(&str, &str); 4] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("index.docker.io", "auth.docker.io"),
    ("docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];

impl Challenge {
    /// Reads the answer of the registry; tokens come first where it takes both. The error
    /// says why the hub does not do what it asks for.
    pub(super) fn read(headers: &HeaderMap, owner: &Owner<'_>) -> Result<Self, String> {
        let mut basic = false;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let challenges =
                ChallengeParser::new(header.to_str().unwrap_or_default()).map_while(Result::ok);
            for challenge in challenges {
                if challenge.scheme.eq_ignore_ascii_case("Bearer") {
                    return bearer(&challenge, owner);
                }
                basic |= challenge.scheme.eq_ignore_ascii_case("Basic");
            }
        }
        if basic {
            Ok(Self::Basic)
        } else {
            Err("refuses access and does not say how to get it".to_owned())
        }
    }
}

fn bearer(challenge: &ChallengeRef<'_>, owner: &Owner<'_>) -> Result<Challenge, String> {
    let parameter = |name: &str| {
        let (_, value) = challenge
            .params
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.to_unescaped())
    };
    let realm = parameter("realm").ok_or("names no token service")?;
    let realm = Url::parse(&realm).map_err(|_| {
        format!(
            "names the token service {}, which is no URL",
            quoted(&realm)
        )
    })?;
    let Some(at) = owner.service(&realm) else {
        let named = quoted(realm.host_str().unwrap_or_default());
        return Err(format!(
            "names a token service at {named}, to which the hub sends no credentials of this registry"
        ));
    };
    Ok(Challenge::Bearer {
        realm,
        service: parameter("service"),
        at,
    })
}

impl Owner<'_> {
    /// Whose the token service is, if it may get the credentials: one on the registry's own host,
    /// one that is known to be its own, or one that the configuration allows; and not less
    /// protected than the registry. Who controls the answer of a registry would otherwise choose
    /// where its credentials go.
    fn service(&self, realm: &Url) -> Option<Service> {
        let plain = self.base.scheme() == "http";
        let protected = realm.scheme() == "https" || (realm.scheme() == "http" && plain);
        let has_user = !realm.username().is_empty() || realm.password().is_some();
        let host = realm.host_str().filter(|_| protected && !has_user)?;
        let called = self.name.split(':').next().unwrap_or_default();
        if Some(host) == self.base.host_str() || host == called {
            return Some(Service::Own);
        }
        let port = realm.port_or_known_default()?;
        let allowed = |allowed: &Authority| {
            let text = allowed.as_str();
            text == host || text == format!("{host}:{port}")
        };
        if self.realms.iter().any(allowed) {
            return Some(Service::Named);
        }
        let known = KNOWN.contains(&(called, host)) && realm.port().is_none();
        known.then_some(Service::Known)
    }
}

#[cfg(test)]
mod tests;

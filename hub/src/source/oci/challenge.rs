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
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(base: &str, headers: &[&str]) -> Result<Challenge, String> {
        read_at(base, Url::parse(base).unwrap().authority(), &[], headers)
    }

    fn read_at(
        base: &str,
        name: &str,
        realms: &[&str],
        headers: &[&str],
    ) -> Result<Challenge, String> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(WWW_AUTHENTICATE, HeaderValue::from_str(header).unwrap());
        }
        let realms: Vec<_> = realms
            .iter()
            .map(|realm| Authority::try_from((*realm).to_owned()).unwrap())
            .collect();
        let owner = Owner {
            base: &Url::parse(base).unwrap(),
            name,
            realms: &realms,
        };
        Challenge::read(&map, &owner)
    }

    fn service(base: &str, name: &str, realms: &[&str], realm: &str) -> Option<Service> {
        match read_at(base, name, realms, &[&format!("Bearer realm=\"{realm}\"")]) {
            Ok(Challenge::Bearer { at, .. }) => Some(at),
            _ => None,
        }
    }

    #[test]
    fn known_and_allowed_token_services() {
        let hub = "https://registry-1.docker.io";
        for name in ["registry-1.docker.io", "docker.io"] {
            let at = |realm| service(hub, name, &[], realm);
            assert_eq!(at("https://auth.docker.io/token"), Some(Service::Known));
            assert_eq!(at("https://auth.docker.io:8443/token"), None);
            assert_eq!(at("http://auth.docker.io/token"), None);
            assert_eq!(at("https://gitlab.com/jwt/auth"), None);
        }
        let gitlab = service(
            "https://registry.gitlab.com",
            "registry.gitlab.com",
            &[],
            "https://gitlab.com/jwt/auth",
        );
        assert_eq!(gitlab, Some(Service::Known));
        let own = |realms: &[&str], realm| service(HTTPS, "registry.example:5000", realms, realm);
        assert_eq!(
            own(&["git.example"], "https://git.example/jwt/auth"),
            Some(Service::Named)
        );
        assert_eq!(
            own(&["git.example:8443"], "https://git.example:8443/jwt"),
            Some(Service::Named)
        );
        assert_eq!(own(&["git.example:8443"], "https://git.example/jwt"), None);
        assert_eq!(own(&["git.example"], "http://git.example/jwt"), None);
        assert_eq!(own(&[], "https://auth.docker.io/token"), None);
    }

    #[test]
    fn behind_an_endpoint_the_registry_may_call_itself_by_its_name() {
        let at = |realm| service("https://vpce.internal", "registry.example", &[], realm);
        assert_eq!(at("https://registry.example/token"), Some(Service::Own));
        assert_eq!(at("https://vpce.internal/token"), Some(Service::Own));
        assert_eq!(at("https://elsewhere.example/token"), None);
    }

    const HTTPS: &str = "https://registry.example:5000";

    #[test]
    fn basic_and_bearer() {
        assert_eq!(read(HTTPS, &["Basic realm=\"x\""]), Ok(Challenge::Basic));
        let own = "Bearer realm=\"https://registry.example/token\",service=\"registry\",scope=\"repository:a:pull\"";
        let expected = Challenge::Bearer {
            realm: Url::parse("https://registry.example/token").unwrap(),
            service: Some("registry".to_owned()),
            at: Service::Own,
        };
        assert_eq!(read(HTTPS, &[own]), Ok(expected.clone()));
        assert_eq!(read(HTTPS, &["Basic realm=\"x\"", own]), Ok(expected));
    }

    #[test]
    fn other_token_services_are_refused() {
        for realm in [
            "https://evil.example/token",
            "https://registry.example.evil.example/token",
            "https://registry.example@evil.example/token",
            "https://user@registry.example/token",
            "http://registry.example/token",
            "ftp://registry.example/token",
            "/token",
            "",
        ] {
            let answer = read(HTTPS, &[&format!("Bearer realm=\"{realm}\"")]);
            assert!(answer.is_err(), "{realm}: {answer:?}");
        }
        let error = read(HTTPS, &["Bearer realm=\"https://evil.example/\""]).unwrap_err();
        assert!(error.contains("evil.example"), "{error}");
        assert!(
            read(
                "http://127.0.0.1:1",
                &["Bearer realm=\"http://127.0.0.1:2/token\""]
            )
            .is_ok()
        );
    }

    #[test]
    fn a_refused_token_service_is_not_passed_by_with_a_password() {
        assert!(
            read(
                HTTPS,
                &[
                    "Bearer realm=\"https://evil.example/\"",
                    "Basic realm=\"x\""
                ]
            )
            .is_err()
        );
    }

    #[test]
    fn nothing_of_use() {
        assert!(read(HTTPS, &[]).is_err());
        assert!(read(HTTPS, &["Negotiate"]).is_err());
        assert!(read(HTTPS, &["Bearer service=\"x\""]).is_err());
    }

    /// Headers out of the pieces that they are made of, in any order.
    fn any_header() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::sample::select(vec![
                "Bearer ",
                "Basic ",
                "realm=",
                "service=",
                "https://",
                "http://",
                "registry.example",
                "evil.example",
                ":5000",
                "\"",
                "\\",
                "@",
                "/",
                "?",
                "#",
                ",",
                " ",
            ])
            .prop_map(|piece| piece.as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    /// A token service in the form in which registries name it.
    fn any_service() -> impl Strategy<Value = Vec<u8>> {
        let scheme = "(https|http|ftp):/{0,3}";
        let host = "(user(:word)?@)?(registry|evil)\\.example(:5000|:80|\\.|@evil\\.example|\\.evil\\.example)?";
        (scheme, host, "[/\\\\?#]{0,2}[a-z@.:/]{0,12}").prop_map(|(scheme, host, path)| {
            format!("Bearer realm=\"{scheme}{host}{path}\",service=\"x\"").into_bytes()
        })
    }

    proptest! {
        #[test]
        fn no_answer_leads_credentials_elsewhere(
            headers in proptest::collection::vec(prop_oneof![any_header(), any_service()], 0..3),
        ) {
            let mut map = HeaderMap::new();
            for header in &headers {
                if let Ok(header) = HeaderValue::from_bytes(header) {
                    map.append(WWW_AUTHENTICATE, header);
                }
            }
            let owner = Owner {
                base: &Url::parse(HTTPS).unwrap(),
                name: "registry.example:5000",
                realms: &[],
            };
            match Challenge::read(&map, &owner) {
                Ok(Challenge::Basic) => {}
                Ok(Challenge::Bearer { realm, at, .. }) => {
                    prop_assert_eq!(at, Service::Own);
                    prop_assert_eq!(realm.host_str(), Some("registry.example"));
                    prop_assert_eq!(realm.scheme(), "https");
                    prop_assert!(realm.username().is_empty() && realm.password().is_none());
                }
                Err(message) => {
                    prop_assert!(message.len() < 1024, "{}", message);
                    prop_assert!(!message.contains(char::is_control), "{}", message);
                }
            }
        }
    }
}

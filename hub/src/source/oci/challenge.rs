//! How a registry wants to be authenticated to, and whether the hub does that. Pure.

use http::{HeaderMap, header::WWW_AUTHENTICATE};
use http_auth::{ChallengeRef, parser::ChallengeParser};
use url::Url;

use crate::source::error::quoted;

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
    },
}

impl Challenge {
    /// Reads the answer of the registry at `base`; tokens come first where it takes both. The error
    /// says why the hub does not do what it asks for.
    pub(super) fn read(headers: &HeaderMap, base: &Url) -> Result<Self, String> {
        let mut basic = false;
        for header in headers.get_all(WWW_AUTHENTICATE) {
            let challenges =
                ChallengeParser::new(header.to_str().unwrap_or_default()).map_while(Result::ok);
            for challenge in challenges {
                if challenge.scheme.eq_ignore_ascii_case("Bearer") {
                    return bearer(&challenge, base);
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

fn bearer(challenge: &ChallengeRef<'_>, base: &Url) -> Result<Challenge, String> {
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
    if !is_own(&realm, base) {
        let named = quoted(realm.host_str().unwrap_or_default());
        return Err(format!(
            "names a token service at {named}, to which the hub sends no credentials of this registry"
        ));
    }
    Ok(Challenge::Bearer {
        realm,
        service: parameter("service"),
    })
}

/// Whether the token service is the registry's own: on the same host, and not less protected. Who
/// controls the answer of a registry would otherwise choose where its credentials go.
fn is_own(realm: &Url, base: &Url) -> bool {
    let protected =
        realm.scheme() == "https" || (realm.scheme() == "http" && base.scheme() == "http");
    let has_user = !realm.username().is_empty() || realm.password().is_some();
    protected && !has_user && realm.host_str().is_some() && realm.host_str() == base.host_str()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(base: &str, headers: &[&str]) -> Result<Challenge, String> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(WWW_AUTHENTICATE, HeaderValue::from_str(header).unwrap());
        }
        Challenge::read(&map, &Url::parse(base).unwrap())
    }

    const HTTPS: &str = "https://registry.example:5000";

    #[test]
    fn basic_and_bearer() {
        assert_eq!(read(HTTPS, &["Basic realm=\"x\""]), Ok(Challenge::Basic));
        let own = "Bearer realm=\"https://registry.example/token\",service=\"registry\",scope=\"repository:a:pull\"";
        let expected = Challenge::Bearer {
            realm: Url::parse("https://registry.example/token").unwrap(),
            service: Some("registry".to_owned()),
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
}

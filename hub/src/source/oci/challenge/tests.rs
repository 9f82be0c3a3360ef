use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn read(base: &str, headers: &[&str]) -> Result<Challenge, String> {
    read_at(base, Url::parse(base).unwrap().authority(), &[], headers)
}

fn read_at(base: &str, name: &str, realms: &[&str], headers: &[&str]) -> Result<Challenge, String> {
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

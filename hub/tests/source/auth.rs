use std::{fmt::Write as _, path::PathBuf};

use super::*;
use crate::registry::{Access, Fault, USER};

const PASSWORD: &str = "hunter2-is-secret";

fn password_file(dir: &TempDir, password: &str) -> PathBuf {
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    file
}

/// A registry with a package that wants `access`, and a source with the password in a file.
async fn protected(access: Access) -> (Setup, Registry, TempDir) {
    let registry = Registry::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = password_file(&dir, PASSWORD);
    let setup = Setup::new(plain(
        &registry.authority,
        &json!({"username": USER, "passwordFile": file}),
    ));
    registry.access(access, PASSWORD);
    registry.package("pkg", "v1", b"the package");
    (setup, registry, dir)
}

#[tokio::test]
async fn basic_is_learned_once() {
    let (setup, registry, _dir) = protected(Access::Basic).await;
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    assert_eq!(registry.asked().len(), 3);
    setup.fetch("pkg").await.unwrap();
    assert_eq!(registry.asked().len(), 1);
}

#[tokio::test]
async fn tokens_are_got_once_per_repository_and_again_when_refused() {
    let (setup, registry, _dir) = protected(Access::Token).await;
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    let asked = registry.asked();
    assert_eq!(
        asked[1],
        "GET /token?service=fake&scope=repository%3Apkg%3Apull"
    );
    assert_eq!(asked.len(), 4);

    setup.fetch("pkg").await.unwrap();
    assert_eq!(registry.asked(), ["GET /v2/pkg/manifests/v1"]);
    registry.revoke_tokens();
    setup.fetch("pkg").await.unwrap();
    let asked = registry.asked();
    assert_eq!(
        asked
            .iter()
            .filter(|asked| asked.contains("/token"))
            .count(),
        1
    );
    assert_eq!(asked.len(), 3);

    registry.package("other", "v1", b"another package");
    setup.fetch("other").await.unwrap();
    assert!(
        registry.asked()[0].ends_with("repository%3Aother%3Apull"),
        "no refusal is needed first"
    );
}

#[tokio::test]
async fn many_at_once_get_one_token() {
    let (setup, registry, _dir) = protected(Access::Token).await;
    setup.fetch("pkg").await.unwrap();
    registry.revoke_tokens();
    let tags: Vec<String> = (0..16).map(|number| format!("pkg:t{number}")).collect();
    for tag in &tags {
        registry.package("pkg", &tag["pkg:".len()..], b"the package");
    }
    registry.asked();
    for fetched in futures::future::join_all(tags.iter().map(|uri| setup.fetch(uri))).await {
        fetched.unwrap();
    }
    let tokens = registry
        .asked()
        .iter()
        .filter(|asked| asked.contains("/token"))
        .count();
    assert_eq!(tokens, 1);
}

#[tokio::test]
async fn a_changed_password_is_used_at_once() {
    for access in [Access::Basic, Access::Token] {
        let (setup, registry, dir) = protected(access.clone()).await;
        setup.fetch("pkg").await.unwrap();
        registry.access(access.clone(), "another password");
        registry.revoke_tokens();
        assert_eq!(
            setup.failure("pkg").await.0,
            Reason::SourceUnauthorized,
            "{access:?}"
        );
        password_file(&dir, "another password");
        assert_eq!(
            read(&setup.fetch("pkg").await.unwrap()),
            b"the package",
            "{access:?}"
        );
    }
}

#[tokio::test]
async fn without_credentials() {
    let (setup, registry) = Setup::with_registry(json!({})).await;
    registry.package("pkg", "v1", b"the package");
    registry.access(Access::Basic, PASSWORD);
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::SourceUnauthorized);
    assert!(
        message.ends_with("asks for credentials, and the source has none"),
        "{message}"
    );
    for access in [Access::Token, Access::Token] {
        registry.access(access, PASSWORD);
        assert_eq!(setup.failure("pkg").await.0, Reason::SourceUnauthorized);
    }
    registry.access(Access::PublicToken, PASSWORD);
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
}

#[tokio::test]
async fn a_missing_password_file_fails_until_it_is_there() {
    let (setup, _registry, dir) = protected(Access::Basic).await;
    let file = dir.path().join("password");
    std::fs::remove_file(&file).unwrap();
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::SourceUnauthorized);
    assert!(
        !message.contains(dir.path().to_str().unwrap()),
        "tenants need not know the hub's files: {message}"
    );
    password_file(&dir, PASSWORD);
    assert!(setup.fetch("pkg").await.is_ok());
}

/// The same server by another name: another host, as far as credentials go.
fn by_another_name(registry: &Registry) -> String {
    registry.authority.replace("127.0.0.1", "localhost")
}

#[tokio::test]
async fn a_foreign_token_service_gets_nothing() {
    let (setup, registry, _dir) = protected(Access::Open).await;
    let foreign = Registry::start().await;
    let realm = format!(
        "Bearer realm=\"http://{}/token\",service=\"x\"",
        by_another_name(&foreign)
    );
    registry.fault("/manifests/", 1, Fault::Challenge(realm));
    let (reason, message) = setup.failure("pkg").await;
    assert_eq!(reason, Reason::SourceUnauthorized);
    assert!(
        message.contains("names a token service at localhost"),
        "{message}"
    );
    assert!(foreign.asked().is_empty());
    assert!(
        setup.fetch("pkg").await.is_ok(),
        "nothing of it is remembered"
    );
}

#[tokio::test]
async fn a_failing_token_service_is_told_apart() {
    let (setup, registry, _dir) = protected(Access::Token).await;
    for (status, expected) in [
        (401, Reason::SourceUnauthorized),
        (500, Reason::SourceUnavailable),
        (503, Reason::SourceUnavailable),
    ] {
        registry.fault("/token", 1, Fault::Status(status, &[]));
        let (reason, message) = setup.failure("pkg").await;
        assert_eq!(reason, expected);
        assert!(message.contains("the token service of"), "{message}");
    }
    for body in ["", "{}", "{\"token\": 7}", "{\"token\": \"a\\nb\"}"] {
        registry.fault("/token", 1, Fault::Body(body.into()));
        setup.fetch("pkg").await.unwrap_err();
    }
    registry.fault("/token", 1, Fault::Body(vec![b' '; 100_000].into()));
    setup.fetch("pkg").await.unwrap_err();
    assert!(setup.fetch("pkg").await.is_ok());

    registry.revoke_tokens();
    registry.fault("/token", 1, Fault::Status(429, &[]));
    assert_eq!(setup.failure("pkg").await.0, Reason::RateLimited);
}

#[tokio::test]
async fn docker_config_entries_are_used_by_path() {
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let file = dir.path().join("config.json");
    let more = json!({"dockerConfigFile": file});
    let write = |team: &str| {
        let entry = |password: &str| json!({"username": USER, "password": password});
        let host = &registry.authority;
        let auths = json!({host: entry("other"), format!("{host}/team"): entry(team)});
        std::fs::write(&file, json!({"auths": auths}).to_string()).unwrap();
    };
    let setup = Setup::new(plain(&registry.authority, &more));
    for access in [Access::Basic, Access::Token] {
        write("wrong");
        registry.access(access, PASSWORD);
        registry.package("team/pkg", "v1", b"the package");
        registry.package("elsewhere/pkg", "v1", b"the package");
        assert_eq!(
            setup.failure("team/pkg").await.0,
            Reason::SourceUnauthorized
        );
        write(PASSWORD);
        assert_eq!(
            read(&setup.fetch("team/pkg").await.unwrap()),
            b"the package"
        );
        assert_eq!(
            setup.failure("elsewhere/pkg").await.0,
            Reason::SourceUnauthorized
        );
        registry.revoke_tokens();
    }
}

#[tokio::test]
async fn a_token_from_a_file_is_shown_as_it_is() {
    let (registry, dir) = (Registry::start().await, tempfile::tempdir().unwrap());
    let file = dir.path().join("token");
    std::fs::write(&file, "token-0\n").unwrap();
    let setup = Setup::new(plain(&registry.authority, &json!({"tokenFile": file})));
    registry.access(Access::Token, PASSWORD);
    registry.package("pkg", "v1", b"the package");
    assert_eq!(read(&setup.fetch("pkg").await.unwrap()), b"the package");
    let asked = registry.asked();
    assert!(
        !asked.iter().any(|asked| asked.contains("/token")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn no_secret_in_any_error() {
    for access in [Access::Basic, Access::Token] {
        let (setup, registry, _dir) = protected(access).await;
        registry.access(Access::Basic, "changed");
        for fault in [
            None,
            Some(Fault::Status(500, &[])),
            Some(Fault::BreakAfter(3)),
            Some(Fault::Redirect("ftp://x/".to_owned())),
        ] {
            if let Some(fault) = fault {
                registry.fault("/", 100, fault);
            }
            let error = setup.fetch("pkg").await.unwrap_err();
            let mut text = format!("{error} {error:?} {:?}", setup.configs);
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                write!(text, " {error} {error:?}").unwrap();
                source = error.source();
            }
            // `robot:hunter2-is-secret` in Base64 begins so.
            for secret in [PASSWORD, "cm9ib3Q6aHVudGVy", "token-0"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}

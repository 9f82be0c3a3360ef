use std::path::PathBuf;

use flyte_registration_hub::push::{Options, PushError, push};

use super::*;
use crate::registry::{Access, Fault, USER};

/// A file that begins as gzip does.
fn archive(dir: &TempDir, size: usize) -> (PathBuf, Vec<u8>) {
    let mut content = vec![7; size];
    content[..2].copy_from_slice(&[0x1f, 0x8b]);
    let file = dir.path().join("flyte-package.tgz");
    std::fs::write(&file, &content).unwrap();
    (file, content)
}

fn options(dir: &TempDir) -> Options {
    let file = dir.path().join("password");
    std::fs::write(&file, "password\n").unwrap();
    Options {
        username: Some(USER.to_owned()),
        password_file: Some(file),
        ca_file: None,
        plain_http: true,
    }
}

#[tokio::test]
async fn what_is_pushed_can_be_fetched() {
    for access in [Access::Open, Access::Basic, Access::Token] {
        let registry = Registry::start().await;
        registry.access(access.clone(), "password");
        let dir = tempfile::tempdir().unwrap();
        let (file, content) = archive(&dir, 3_000_000);
        let options = options(&dir);
        let more = json!({"username": USER, "passwordFile": options.password_file});
        let setup = Setup::new(plain(&registry.authority, &more));

        let reference = format!("oci://{}/team/pkg:v1", registry.authority);
        let pushed = push(&file, &reference, &options).await.unwrap();
        assert_eq!(pushed.reference, format!("{reference}@{}", pushed.digest));
        let fetched = setup.fetch(&pushed.reference).await.unwrap();
        assert_eq!(read(&fetched), content, "{access:?}");
        assert_eq!(fetched.package.digest, pushed.digest.as_str());
        assert_eq!(
            setup.fetch("team/pkg").await.unwrap().package.digest,
            pushed.digest.as_str()
        );
    }
}

#[tokio::test]
async fn pushing_again_uploads_no_archive_and_gives_the_same_digest() {
    let registry = Registry::start().await;
    let _setup = Setup::new(plain(&registry.authority, &json!({})));
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = archive(&dir, 100);
    let options = Options {
        plain_http: true,
        ..Options::default()
    };
    let uploads = || {
        let asked = registry.asked();
        asked
            .iter()
            .filter(|asked| asked.starts_with("POST "))
            .count()
    };
    let reference = format!("oci://{}/pkg", registry.authority);
    let first = push(&file, &format!("{reference}:v1"), &options)
        .await
        .unwrap();
    assert_eq!(uploads(), 2);
    let second = push(&file, &format!("{reference}:v2"), &options)
        .await
        .unwrap();
    assert_eq!(uploads(), 0);
    assert_eq!(first.digest, second.digest);
}

#[tokio::test]
async fn the_password_goes_to_no_foreign_token_service() {
    let (registry, foreign) = (Registry::start().await, Registry::start().await);
    let _setup = Setup::new(plain(&registry.authority, &json!({})));
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = archive(&dir, 100);
    let elsewhere = foreign.authority.replace("127.0.0.1", "localhost");
    let challenge = Fault::Challenge(format!("Bearer realm=\"http://{elsewhere}/token\""));
    registry.fault("/v2/", 100, challenge.clone());
    let reference = format!("oci://{}/pkg:v1", registry.authority);
    let error = push(&file, &reference, &options(&dir)).await.unwrap_err();
    assert!(
        matches!(error, PushError::Access(_)) && error.to_string().contains("token service"),
        "{error}"
    );
    assert!(foreign.asked().is_empty());
}

#[tokio::test]
async fn a_registry_that_changes_its_mind_still_gets_no_password_sent_elsewhere() {
    let (registry, foreign) = (Registry::start().await, Registry::start().await);
    let _setup = Setup::new(plain(&registry.authority, &json!({})));
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = archive(&dir, 100);
    let elsewhere = foreign.authority.replace("127.0.0.1", "localhost");
    registry.fault("/v2/", 1, Fault::Challenge("Basic realm=\"x\"".to_owned()));
    registry.fault(
        "/v2/",
        100,
        Fault::Challenge(format!("Bearer realm=\"http://{elsewhere}/token\"")),
    );
    let reference = format!("oci://{}/pkg:v1", registry.authority);
    push(&file, &reference, &options(&dir)).await.unwrap_err();
    assert!(foreign.asked().is_empty());
}

#[tokio::test]
async fn what_cannot_be_pushed() {
    let dir = tempfile::tempdir().unwrap();
    let _setup = Setup::new(plain("127.0.0.1:1", &json!({})));
    let (file, _) = archive(&dir, 100);
    let options = Options {
        plain_http: true,
        ..Options::default()
    };
    for reference in [
        "host/pkg:v1",
        "oci://host/pkg",
        "oci://host/Pkg:v1",
        "https://host/pkg:v1",
    ] {
        let error = push(&file, reference, &options).await.unwrap_err();
        assert!(
            matches!(error, PushError::Reference { .. }),
            "{reference}: {error}"
        );
    }
    let text = dir.path().join("text.tgz");
    std::fs::write(&text, "text").unwrap();
    let error = push(&text, "oci://host/pkg:v1", &options)
        .await
        .unwrap_err();
    assert!(matches!(error, PushError::NotAnArchive(_)), "{error}");
    let error = push(&dir.path().join("missing"), "oci://host/pkg:v1", &options)
        .await
        .unwrap_err();
    assert!(matches!(error, PushError::Read { .. }), "{error}");
    let error = push(&file, "oci://127.0.0.1:1/pkg:v1", &options)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("refuses the connection"),
        "{error}"
    );
}

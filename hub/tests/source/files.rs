//! Packages that are files.

use super::*;
use crate::{
    registry::{Access, Fault, File, USER},
    tls::{authority, start},
};

mod downloads;

const ROOT: &str = "/artifactory";

fn artifactory(server: &Registry, more: &Value) -> SourceConfig {
    let url = format!("http://{}{ROOT}", server.authority);
    config(
        json!({"kind": "artifactory", "url": url, "plainHttp": true}),
        more,
    )
}

async fn setup(more: Value) -> (Setup, Registry) {
    let server = Registry::start().await;
    (Setup::new(artifactory(&server, &more)), server)
}

/// A server with `file` where `pkg:v1` is looked for.
async fn serving(file: File) -> (Setup, Registry) {
    let (setup, server) = setup(json!({})).await;
    server.file("/artifactory/repo/pkg_v1.tgz", file);
    (setup, server)
}

fn package() -> File {
    File::bare(b"the package")
}

#[tokio::test]
async fn artifactory_files_are_found_in_any_layout() {
    let (setup, server) = setup(json!({})).await;
    for path in ["repo/pkg", "repo/dir/pkg", "repo/a/b/pkg"] {
        server.file(&format!("{ROOT}/{path}_v1.tgz"), package());
        for uri in [path.to_owned(), format!("artifactory://{path}")] {
            let fetched = setup.fetch(&uri).await.unwrap();
            assert_eq!(read(&fetched), b"the package");
            let digest = Digest::of(b"the package");
            assert_eq!(fetched.package.digest, digest.as_str());
            assert_eq!(
                fetched.package.archive_digest.as_deref(),
                Some(digest.as_str())
            );
            assert_eq!(fetched.package.size, Some(11));
            let url = format!("http://{}{ROOT}/{path}_v1.tgz", server.authority);
            assert_eq!(fetched.package.uri, url);
        }
    }
}

#[tokio::test]
async fn http_over_tls_with_the_version_in_the_uri() {
    let (ca, dir) = (authority(), tempfile::tempdir().unwrap());
    let server = start(&ca, "localhost").await;
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    let base = format!("https://{}/files", server.authority);
    let setup = Setup::new(config(
        json!({"kind": "http", "url": base, "caFile": file}),
        &json!({}),
    ));
    server.file("/files/v1/pkg.tgz?signed=x", package());
    let uri = format!("{base}/{{version}}/pkg.tgz?signed=x");
    let fetched = setup.fetch(&uri).await.unwrap();
    assert_eq!(read(&fetched), b"the package");
    assert_eq!(fetched.package.uri, format!("{base}/v1/pkg.tgz?…"));
}

#[tokio::test]
async fn http_cache_answers_when_the_server_says_that_nothing_changed() {
    for (file, again) in [
        (package().with_etag("\"1\""), "304 by its ETag"),
        (package().with_etag("W/\"1\""), "304 by its weak ETag"),
        (
            package().with_checksum_of(b"the package"),
            "200 by its checksum",
        ),
    ] {
        let (setup, server) = serving(file).await;
        setup.fetch("repo/pkg").await.unwrap();
        // Whoever read this body would notice.
        server.fault("pkg", 0, Fault::BreakAfter(0));
        for _ in 0..2 {
            assert_eq!(
                read(&setup.fetch("repo/pkg").await.unwrap()),
                b"the package",
                "{again}"
            );
        }
        let asked = server.requests();
        assert_eq!(asked.len(), 3, "{again}");
        let conditional = asked[1].headers.get("if-none-match").is_some();
        assert_eq!(conditional, again.starts_with("304"), "{again}");
    }
}

#[tokio::test]
async fn http_cache_does_not_outlive_a_change_of_the_file() {
    for changed in [
        File::bare(b"second").with_etag("\"2\""),
        File::bare(b"second").with_checksum_of(b"second"),
        File::bare(b"second"),
    ] {
        let first = package()
            .with_etag("\"1\"")
            .with_checksum_of(b"the package");
        let (setup, server) = serving(first).await;
        setup.fetch("repo/pkg").await.unwrap();
        server.file("/artifactory/repo/pkg_v1.tgz", changed);
        assert_eq!(read(&setup.fetch("repo/pkg").await.unwrap()), b"second");
    }
}

#[tokio::test]
async fn http_cache_answers_nobody_whom_the_server_refuses() {
    let (setup, server) = serving(package().with_etag("\"1\"")).await;
    setup.fetch("repo/pkg").await.unwrap();
    server.access(Access::Basic, "password");
    assert_eq!(
        setup.failure("repo/pkg").await.0,
        Reason::SourceUnauthorized
    );
    server.access(Access::Open, "");
    server.fault("pkg", 1, Fault::Status(404, &[]));
    assert_eq!(setup.failure("repo/pkg").await.0, Reason::PackageNotFound);
}

#[tokio::test]
async fn http_server_that_claims_the_digest_of_another_gets_nothing_from_the_cache() {
    let owner = Registry::start().await;
    let thief = Registry::start().await;
    let mut setup = Setup::new(artifactory(&owner, &json!({})));
    setup
        .configs
        .insert("other".to_owned(), artifactory(&thief, &json!({})));
    setup.sources = setup.restarted();
    owner.file("/artifactory/repo/pkg_v1.tgz", package().with_etag("\"1\""));
    setup.fetch("repo/pkg").await.unwrap();

    // The same ETag, the same checksum, another server: it must have the bytes itself.
    let claim = File::bare(b"nothing")
        .with_etag("\"1\"")
        .with_checksum_of(b"the package");
    thief.file("/artifactory/repo/pkg_v1.tgz", claim);
    let mut package = setup.locate("repo/pkg", Some(&Digest::of(b"the package")));
    package.source = "other".to_owned();
    package.place = at(
        &BTreeMap::from([("other".to_owned(), setup.configs["other"].clone())]),
        "repo/pkg",
        None,
    )
    .place;
    let error = setup.sources.fetch(&package).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DigestMismatch);
}

#[tokio::test]
async fn artifactory_digest_headers_are_verified() {
    let (setup, server) = serving(package().with_checksum_of(b"another")).await;
    let (reason, message) = setup.failure("repo/pkg").await;
    assert_eq!(reason, Reason::DigestMismatch);
    assert!(
        message.contains("not the one that the source announces"),
        "{message}"
    );
    let both = package()
        .with_checksum_of(b"the package")
        .with_checksum_of(b"another");
    server.file("/artifactory/repo/pkg_v1.tgz", both);
    let (reason, message) = setup.failure("repo/pkg").await;
    assert_eq!(reason, Reason::DigestMismatch);
    assert!(message.contains("two digests that differ"), "{message}");
}

#[tokio::test]
async fn http_digest_in_the_spec_pins_the_file() {
    let (setup, server) = serving(package().with_etag("\"1\"")).await;
    let right = setup.locate("repo/pkg", Some(&Digest::of(b"the package")));
    assert_eq!(
        read(&setup.sources.fetch(&right).await.unwrap()),
        b"the package"
    );
    let wrong = setup.locate("repo/pkg", Some(&Digest::of(b"another")));
    for _ in 0..2 {
        let error = setup.sources.fetch(&wrong).await.unwrap_err();
        assert_eq!(error.reason(), Reason::DigestMismatch);
        assert!(
            error.to_string().contains("not the pinned sha256:"),
            "{error}"
        );
    }
    let whole = server
        .requests()
        .iter()
        .filter(|asked| !asked.headers.contains_key("if-none-match"))
        .count();
    assert_eq!(whole, 1, "to compare is no reason to download again");
}

#[tokio::test]
async fn http_refusals() {
    let (setup, server) = serving(package()).await;
    for (status, expected) in [
        (401, Reason::SourceUnauthorized),
        (403, Reason::SourceUnauthorized),
        (404, Reason::PackageNotFound),
        (500, Reason::SourceUnavailable),
        (503, Reason::SourceUnavailable),
        (429, Reason::RateLimited),
    ] {
        server.fault("pkg", 1, Fault::Status(status, &[]));
        assert_eq!(setup.failure("repo/pkg").await.0, expected, "{status}");
    }
}

#[tokio::test]
async fn a_thousand_of_the_same_http_file_are_one_request() {
    let (setup, server) = serving(File::bare(&vec![7; 100_000])).await;
    let fetches = (0..1000).map(|_| setup.fetch("repo/pkg"));
    for fetched in futures::future::join_all(fetches).await {
        assert_eq!(fetched.unwrap().package.size, Some(100_000));
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn artifactory_takes_a_password_or_a_token_and_notices_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    for (more, access, secret) in [
        (
            json!({"username": USER, "passwordFile": file}),
            Access::Basic,
            "password",
        ),
        (json!({"tokenFile": file}), Access::Token, "token-0"),
    ] {
        let (setup, server) = setup(more).await;
        server.file("/artifactory/repo/pkg_v1.tgz", package());
        server.access(access, "password");
        std::fs::write(&file, "wrong").unwrap();
        assert_eq!(
            setup.failure("repo/pkg").await.0,
            Reason::SourceUnauthorized
        );
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        assert_eq!(
            read(&setup.fetch("repo/pkg").await.unwrap()),
            b"the package"
        );
    }
}

#[tokio::test]
async fn http_redirect_follows_the_rules_of_blobs() {
    let (setup, server) = serving(package()).await;
    for to in [
        "http://localhost:1/x",
        "https://127.0.0.1:1/x",
        "https://localhost:1/x",
    ] {
        server.fault("pkg", 1, Fault::Redirect(to.to_owned()));
        let (reason, message) = setup.failure("repo/pkg").await;
        assert_eq!(reason, Reason::SourceUnavailable);
        assert!(
            message.contains("where the hub does not follow"),
            "{message}"
        );
    }
    server.file("/elsewhere", File::bare(b"moved"));
    server.fault("pkg", 1, Fault::Redirect("/elsewhere".to_owned()));
    assert_eq!(read(&setup.fetch("repo/pkg").await.unwrap()), b"moved");
}

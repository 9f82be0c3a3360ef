//! Downloads of files that break, and what is no package.

use super::*;

#[tokio::test]
async fn http_download_is_resumed_where_it_broke() {
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    for (file, if_range) in [
        (File::bare(&content).with_etag("\"1\""), Some("\"1\"")),
        (File::bare(&content).with_checksum_of(&content), None),
    ] {
        let (setup, server) = serving(file).await;
        server.fault("pkg", 1, Fault::BreakAfter(300_000));
        assert_eq!(read(&setup.fetch("repo/pkg").await.unwrap()), content);
        let asked = server.requests();
        assert_eq!(asked.len(), 2);
        assert!(
            asked[1].headers["range"]
                .to_str()
                .unwrap()
                .starts_with("bytes=")
        );
        let sent = asked[1]
            .headers
            .get("if-range")
            .map(|value| value.to_str().unwrap());
        assert_eq!(sent, if_range);
    }
}

#[tokio::test]
async fn http_download_that_cannot_be_recognized_begins_anew() {
    for file in [package(), package().with_etag("W/\"1\"")] {
        let (setup, server) = serving(file).await;
        server.fault("pkg", 1, Fault::BreakAfter(4));
        assert_eq!(
            read(&setup.fetch("repo/pkg").await.unwrap()),
            b"the package"
        );
        let ranges = server
            .requests()
            .iter()
            .filter(|asked| asked.headers.contains_key("range"))
            .count();
        assert_eq!(ranges, 0);
    }
}

#[tokio::test]
async fn truncated_twice_is_left_to_the_queue() {
    let (setup, server) = serving(package().with_etag("\"1\"")).await;
    server.fault("pkg", 2, Fault::BreakAfter(4));
    let (reason, message) = setup.failure("repo/pkg").await;
    assert_eq!(reason, Reason::SourceUnavailable);
    assert!(message.contains("broke the connection"), "{message}");
    let left = std::fs::read_dir(setup.dir.path().join("tmp"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "nothing is left half-written");
}

#[tokio::test]
async fn http_file_that_is_too_large() {
    let (setup, server) = setup(json!({"maxPackageSize": 10})).await;
    server.file("/artifactory/repo/pkg_v1.tgz", package());
    let (reason, message) = setup.failure("repo/pkg").await;
    assert_eq!(reason, Reason::PackageTooLarge);
    assert!(
        message.ends_with("the package has 11 bytes, the source allows 10"),
        "{message}"
    );
    server.fault("pkg", 1, Fault::Unannounced("the package".into()));
    let (reason, message) = setup.failure("repo/pkg").await;
    assert_eq!(reason, Reason::PackageTooLarge);
    assert!(
        message.ends_with("the package has more, the source allows 10"),
        "{message}"
    );
    server.fault("pkg", 1, Fault::Unannounced("short".into()));
    assert_eq!(read(&setup.fetch("repo/pkg").await.unwrap()), b"short");
}

#[tokio::test]
async fn http_page_instead_of_a_file_is_named() {
    let mut page = File::bare(b"<html>please log in</html>");
    page.headers
        .push(("content-type", "text/html; charset=utf-8".to_owned()));
    let (setup, _server) = serving(page).await;
    let (reason, message) = setup.failure("repo/pkg").await;
    assert_eq!(reason, Reason::PackageInvalid);
    assert!(
        message.ends_with("sends text/html, not an archive"),
        "{message}"
    );
}

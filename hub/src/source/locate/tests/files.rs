use super::*;

fn sources() -> BTreeMap<String, SourceConfig> {
    let all = serde_json::json!({
        "art": {"kind": "artifactory", "url": "https://art.example/artifactory/"},
        "team": {"kind": "artifactory", "url": "https://art.example/artifactory", "prefix": "flyte-local/team"},
        "other": {"kind": "artifactory", "url": "https://other.example/artifactory"},
        "web": {"kind": "http", "url": "https://files.example:8443/flyte"},
        "all": {"kind": "http", "url": "https://files.example:8443"},
        "plain": {"kind": "http", "url": "http://files.example", "plainHttp": true},
        "registry": {"kind": "oci", "registry": "art.example"},
    });
    serde_json::from_value(all).unwrap()
}

fn at(uri: &str, version: &str, names: &[&str]) -> Result<(String, String), LocateError> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let allowed = Allowed {
        default_source: names.first().map(String::as_str),
        sources: &names,
        signatures: None,
    };
    let wanted = Wanted {
        uri,
        version,
        digest: None,
    };
    locate(wanted, allowed, &sources()).map(|package| (package.source.clone(), package.to_string()))
}

fn is_at(result: Result<(String, String), LocateError>, source: &str, place: &str) {
    let found = result.unwrap();
    assert_eq!(found, (source.to_owned(), place.to_owned()));
}

#[test]
fn artifactory_relative_uris_are_named_as_before_in_any_layout() {
    for (uri, file) in [
        ("repo/pkg", "repo/pkg_1.0+b.tgz"),
        ("repo/dir/pkg", "repo/dir/pkg_1.0+b.tgz"),
        ("repo/a/b/c/pkg", "repo/a/b/c/pkg_1.0+b.tgz"),
    ] {
        let expected = format!("https://art.example/artifactory/{file}");
        is_at(at(uri, "1.0+b", &["art"]), "art", &expected);
    }
    let below = "https://art.example/artifactory/flyte-local/team/pkg_v1.tgz";
    is_at(at("pkg", "v1", &["team"]), "team", below);
}

#[test]
fn artifactory_absolute_uris_lie_below_the_root() {
    let root = "https://art.example/artifactory";
    is_at(
        at("artifactory://repo/pkg", "v1", &["art"]),
        "art",
        &format!("{root}/repo/pkg_v1.tgz"),
    );
    for (uri, file) in [
        ("artifactory://repo/pkg.tgz", "repo/pkg.tgz"),
        ("artifactory://repo/pkg.tar.gz", "repo/pkg.tar.gz"),
        (
            "artifactory://repo/{version}/pkg-{version}.tgz",
            "repo/v1/pkg-v1.tgz",
        ),
    ] {
        is_at(at(uri, "v1", &["art"]), "art", &format!("{root}/{file}"));
    }
}

#[test]
fn artifactory_uris_belong_to_the_longest_prefix_of_the_tenants_sources() {
    let uri = "artifactory://flyte-local/team/pkg";
    let (ours, others) = (
        "https://art.example/artifactory/flyte-local/team/pkg_v1.tgz",
        "https://other.example/artifactory/flyte-local/team/pkg_v1.tgz",
    );
    is_at(at(uri, "v1", &["team"]), "team", ours);
    is_at(at(uri, "v1", &["art", "team"]), "team", ours);
    is_at(at(uri, "v1", &["other", "team"]), "other", others);
    for names in [&["art"][..], &["web"], &["registry"]] {
        let denied = at(uri, "v1", names).unwrap_err();
        assert_eq!(denied.reason(), Reason::Denied, "{names:?}");
        assert_eq!(
            denied.to_string(),
            format!("the tenant has no source for {uri}")
        );
    }
    assert!(at("artifactory://flyte-local/teammate/pkg", "v1", &["team"]).is_err());
    let https = "https://art.example/artifactory/flyte-local/team/pkg.tgz";
    is_at(at(https, "v1", &["team"]), "team", https);
    assert!(at(https, "v1", &["art"]).is_err());
}

#[test]
fn http_uris_get_the_version_and_belong_to_the_longest_prefix() {
    let base = "https://files.example:8443";
    let uri = format!("{base}/flyte/{{version}}/pkg-{{version}}.tgz?v={{version}}&sig=secret");
    let found = at(&uri, "1.0+b", &["web"]).unwrap();
    assert_eq!(
        found.1,
        format!("{base}/flyte/1.0+b/pkg-1.0+b.tgz?…"),
        "the query is not shown"
    );
    let names = ["web".to_owned()];
    let allowed = Allowed {
        default_source: None,
        sources: &names,
        signatures: None,
    };
    let wanted = Wanted {
        uri: &uri,
        version: "1.0+b",
        digest: None,
    };
    let Place::File(url) = locate(wanted, allowed, &sources()).unwrap().place else {
        panic!("no file")
    };
    assert_eq!(url.query(), Some("v=1.0%2Bb&sig=secret"));

    is_at(
        at("team/pkg", "v1", &["web"]),
        "web",
        &format!("{base}/flyte/team/pkg_v1.tgz"),
    );
    is_at(
        at("pkg", "v1", &["plain"]),
        "plain",
        "http://files.example/pkg_v1.tgz",
    );
    let spaced = format!("{base}/flyte/a%20b.tgz");
    is_at(at(&spaced, "v1", &["web"]), "web", &spaced);
    let outside = format!("{base}/else/pkg.tgz");
    is_at(at(&outside, "v1", &["all"]), "all", &outside);
    for (uri, names) in [
        (outside, "web"),
        (format!("{base}/flyte/pkg.tgz"), "all"),
        (format!("{base}/flyte"), "all"),
        (format!("{base}/flyte?v={{version}}"), "all"),
        (format!("{base}/flytes/pkg.tgz"), "web"),
        ("https://files.example/flyte/pkg.tgz".to_owned(), "web"),
        ("https://files.example/pkg.tgz".to_owned(), "plain"),
        (
            "https://evil.example/files.example:8443/flyte/pkg.tgz".to_owned(),
            "web",
        ),
    ] {
        assert_eq!(
            at(&uri, "v1", &[names]).unwrap_err().reason(),
            Reason::Denied,
            "{uri}"
        );
    }
}

#[test]
fn http_paths_cannot_leave_a_prefix_in_disguise() {
    for path in [
        "flyte/../private/pkg.tgz",
        "flyte/%2e%2e/private/pkg.tgz",
        "flyte/x%2F..%2f..%2fprivate/pkg.tgz",
        "flyte/x%5c..%5cprivate/pkg.tgz",
        "flyte/%252e%252e/private/pkg.tgz",
        "flyte/%70rivate/pkg.tgz",
        "flyte/a;b/pkg.tgz",
        "flyte/a%3Bb/pkg.tgz",
        "flyte/100%/pkg.tgz",
        "flyte/%+7/pkg.tgz",
        "flyte//pkg.tgz",
        "flyte/{other}/pkg.tgz",
        "flyte/pkg.tgz#fragment",
    ] {
        let uri = format!("https://files.example:8443/{path}");
        assert_eq!(
            at(&uri, "v1", &["web", "all"]).unwrap_err().reason(),
            Reason::InvalidSpec,
            "{path}"
        );
    }
    for uri in ["https://user@files.example:8443/flyte/pkg.tgz", "https://"] {
        assert!(at(uri, "v1", &["web"]).is_err(), "{uri}");
    }
    assert!(at("artifactory://repo/../x", "v1", &["art"]).is_err());
    assert!(at("../x", "v1", &["team"]).is_err());
}

use std::time::Duration;

use super::*;

fn read(json: &str) -> Result<SourceConfig, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn defaults() {
    let SourceConfig::Oci(oci) = read(r#"{"kind": "oci", "registry": "host:5000/team"}"#).unwrap()
    else {
        panic!("another kind")
    };
    assert_eq!(oci.registry.to_string(), "host:5000/team");
    assert_eq!(
        (oci.connection.timeout, oci.connection.max_package_size),
        (Duration::from_secs(30), 512 << 20)
    );
    assert!(!oci.connection.plain_http);
}

#[test]
fn unknown_keys_and_kinds_are_refused() {
    let error = read(r#"{"kind": "oci", "registry": "host", "pasword": "x"}"#)
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown field `pasword`"), "{error}");
    assert!(read(r#"{"kind": "ftp", "registry": "host"}"#).is_err());
    assert!(read(r#"{"kind": "oci", "registry": "https://host"}"#).is_err());
}

#[test]
fn it_survives_being_written() {
    let config =
        read(r#"{"kind": "oci", "registry": "host", "timeout": "5s", "maxPackageSize": "1Mi"}"#)
            .unwrap();
    let SourceConfig::Oci(again) = read(&serde_json::to_string(&config).unwrap()).unwrap() else {
        panic!("another kind")
    };
    assert_eq!(
        (again.connection.timeout, again.connection.max_package_size),
        (Duration::from_secs(5), 1 << 20)
    );
}

#[test]
fn contradictions_and_bounds() {
    let keys = |more: &str| {
        read(&format!(r#"{{"kind": "oci", "registry": "h", {more}}}"#))
            .unwrap()
            .problems()
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    };
    for (more, expected) in [
        (r#""username": "u""#, vec!["passwordFile"]),
        (r#""passwordFile": "/p""#, vec!["passwordFile"]),
        (
            r#""username": "u", "usernameFile": "/u", "passwordFile": "/p""#,
            vec!["usernameFile"],
        ),
        (
            r#""tokenFile": "/t", "dockerConfigFile": "/d""#,
            vec!["dockerConfigFile"],
        ),
        (r#""plainHttp": true, "caFile": "/ca""#, vec!["caFile"]),
        (
            r#""plainHttp": true, "certFile": "/c", "keyFile": "/k""#,
            vec!["certFile"],
        ),
        (r#""certFile": "/c""#, vec!["keyFile"]),
        (r#""rate": 0"#, vec!["rate"]),
        (
            r#""timeout": "2h", "maxConcurrent": 18446744073709551615"#,
            vec!["timeout", "maxConcurrent"],
        ),
        (
            r#""username": "u", "passwordFile": "/p", "rate": 0.5, "proxy": "http://proxy:3128""#,
            vec![],
        ),
    ] {
        assert_eq!(keys(more), expected, "{more}");
    }
}

#[test]
fn artifactory_and_http_have_their_own_keys_and_the_shared_ones() {
    let artifactory = r#"{"kind": "artifactory", "url": "https://host/artifactory", "prefix": "flyte-local",
        "tokenFile": "/t", "rate": 5}"#;
    assert!(read(artifactory).unwrap().problems().is_empty());
    let http =
        r#"{"kind": "http", "url": "https://host/files", "username": "u", "passwordFile": "/p"}"#;
    assert!(read(http).unwrap().problems().is_empty());
    for (config, key) in [
        (
            r#"{"kind": "http", "url": "https://h", "prefix": "a"}"#,
            "prefix",
        ),
        (
            r#"{"kind": "http", "url": "https://h", "tokenRealms": []}"#,
            "tokenRealms",
        ),
        // Only registries keep signatures.
        (
            r#"{"kind": "artifactory", "url": "https://h", "signatures": {"keyFiles": ["/k"]}}"#,
            "signatures",
        ),
        (
            r#"{"kind": "artifactory", "url": "https://h", "registry": "h"}"#,
            "registry",
        ),
        (
            r#"{"kind": "oci", "registry": "h", "url": "https://h"}"#,
            "url",
        ),
    ] {
        let error = read(config).unwrap_err().to_string();
        assert!(error.contains(&format!("unknown field `{key}`")), "{error}");
    }
    for (more, expected) in [
        (r#""url": "http://h""#, vec!["url"]),
        (r#""url": "http://h", "plainHttp": true"#, vec![]),
        (r#""url": "https://h", "plainHttp": true"#, vec!["url"]),
        (
            r#""url": "https://h", "dockerConfigFile": "/d""#,
            vec!["dockerConfigFile"],
        ),
    ] {
        let config = read(&format!(r#"{{"kind": "http", {more}}}"#)).unwrap();
        let keys: Vec<_> = config.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, expected, "{more}");
    }
}

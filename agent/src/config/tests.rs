#![allow(clippy::result_large_err, reason = "the error is figment's")]

use std::env;

use clap::Parser as _;
use figment::Jail;

use super::*;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    flags: Flags,
}

fn flags(arguments: &[&str]) -> Flags {
    let arguments = std::iter::once("test").chain(arguments.iter().copied());
    Command::try_parse_from(arguments).unwrap().flags
}

/// Loads a file with this text, under these variables and flags.
fn loaded(yaml: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Result<Config, String> {
    let mut result = None;
    Jail::expect_with(|jail| {
        jail.create_file("agent.yaml", yaml)?;
        for (name, value) in variables {
            jail.set_env(name, value);
        }
        result = Some(
            load(Some(Path::new("agent.yaml")), &flags(arguments)).map_err(|it| it.to_string()),
        );
        Ok(())
    });
    result.unwrap()
}

#[test]
fn nothing_given_is_the_defaults() {
    assert_eq!(loaded("", &[], &[]).unwrap(), Config::default());
}

#[test]
fn later_sources_win() {
    let yaml =
        "hub: {endpoint: 'https://file:1', insecure: true}\nlog: {level: warn}\nnamespaces: [file]";
    let variables = [
        ("FLYTE_AGENT_HUB__ENDPOINT", "https://environment:2"),
        ("FLYTE_AGENT_LOG__LEVEL", "debug"),
    ];
    let config = loaded(
        yaml,
        &variables,
        &[
            "--log-level",
            "trace",
            "--namespace",
            "a",
            "--namespace",
            "b",
        ],
    )
    .unwrap();
    assert_eq!(config.hub.endpoint, "https://environment:2");
    assert!(config.hub.insecure);
    assert_eq!(config.log.level, "trace");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.namespaces, ["a", "b"]);
}

#[test]
fn every_flag_sets_its_key() {
    let arguments = [
        "--hub-endpoint",
        "https://h:1",
        "--kubeconfig",
        "/k",
        "--web-listen",
        "127.0.0.1:1",
        "--log-format",
        "text",
    ];
    let config = loaded("", &[], &arguments).unwrap();
    assert_eq!(
        (config.hub.endpoint.as_str(), config.kubeconfig),
        ("https://h:1", Some(PathBuf::from("/k")))
    );
    assert_eq!(
        (config.web.listen.port(), config.log.format),
        (1, LogFormat::Text)
    );
}

#[test]
fn variables_name_camel_case_keys() {
    let variables = [
        ("FLYTE_AGENT_HUB__TOKEN_FILE", "/token"),
        ("FLYTE_AGENT_HUB__UNREACHABLE_AFTER", "5s"),
        ("FLYTE_AGENT_NAMESPACES", "[a, b]"),
        ("FLYTE_AGENT_LEASE__IDENTITY", "pod-1"),
    ];
    let config = loaded("", &variables, &[]).unwrap();
    assert_eq!(config.hub.token_file, Some(PathBuf::from("/token")));
    assert_eq!(config.hub.unreachable_after, Duration::from_secs(5));
    assert_eq!(config.namespaces, ["a", "b"]);
    assert_eq!(config.lease.identity.as_deref(), Some("pod-1"));
}

#[test]
fn unknown_keys_are_refused_wherever_they_come_from() {
    let error = loaded("hub: {endpont: x}", &[], &[]).unwrap_err();
    assert!(
        error.contains("endpont") && error.contains("agent.yaml"),
        "{error}"
    );
    let error = loaded("", &[("FLYTE_AGENT_HUB__TOKENFILE", "/t")], &[]).unwrap_err();
    assert!(
        error.contains("tokenfile") && error.contains("environment"),
        "{error}"
    );
}

#[test]
fn errors_name_file_and_key() {
    for (yaml, key) in [
        ("hub: {insecure: 3}", "hub.insecure"),
        ("hub: {unreachableAfter: soon}", "hub.unreachableAfter"),
        ("web: {listen: nowhere}", "web.listen"),
        ("log: {format: xml}", "log.format"),
    ] {
        let error = loaded(yaml, &[], &[]).unwrap_err();
        assert!(
            error.contains(key) && error.contains("agent.yaml"),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_is_missing_is_an_error() {
    let error = load(
        Some(Path::new("/nonexistent/agent.yaml")),
        &Flags::default(),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/agent.yaml"),
        "{error}"
    );
}

#[test]
fn plaintext_is_for_loopback() {
    let endpoint =
        |text: &str, more: &str| loaded(&format!("hub: {{endpoint: '{text}', {more}}}"), &[], &[]);
    for good in [
        "https://hub.example.com:7443",
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://[::1]:1",
    ] {
        endpoint(good, "").unwrap();
    }
    assert!(
        endpoint("http://hub:7443", "")
            .unwrap_err()
            .starts_with("hub.endpoint: http://")
    );
    endpoint("http://hub:7443", "insecure: true").unwrap();
    for bad in [
        "hub:7443",
        "ftp://hub",
        "",
        "https://",
        "https://hub/path",
        "https://user:secret@hub",
    ] {
        let error = endpoint(bad, "").unwrap_err();
        assert!(
            error.starts_with("hub.endpoint: ") && !error.contains("secret"),
            "{error}"
        );
    }
}

#[test]
fn a_client_certificate_goes_with_its_key_and_with_tls() {
    let hub = |keys: &str| loaded(&format!("hub: {{{keys}}}"), &[], &[]);
    let both = "certFile: /c, keyFile: /k";
    let config = hub(&format!("endpoint: 'https://hub:1', {both}")).unwrap();
    assert_eq!(config.hub.cert_file, Some(PathBuf::from("/c")));
    assert_eq!(config.hub.key_file, Some(PathBuf::from("/k")));
    for (keys, problem) in [
        ("certFile: /c", "hub.certFile: goes with hub.keyFile"),
        ("keyFile: /k", "hub.certFile: goes with hub.keyFile"),
        (
            &format!("endpoint: 'http://127.0.0.1:1', {both}"),
            "hub.certFile: is for https:// alone",
        ),
    ] {
        assert_eq!(hub(keys).unwrap_err(), problem, "{keys}");
    }
}

#[test]
fn names_are_checked() {
    let error = loaded(
        "namespaces: [a, A, a.b, a]\nlease: {name: '', namespace: x_y, identity: ''}\nlog: {level: 'a=b=c'}",
        &[],
        &[],
    )
    .unwrap_err();
    let keys: Vec<&str> = error
        .lines()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "namespaces",
            "namespaces",
            "namespaces",
            "lease.namespace",
            "lease.name",
            "log.level",
            "lease.identity"
        ]
    );
}

#[test]
fn the_sample_shows_every_key_with_its_default() {
    let sample =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../config/agent.yaml");
    assert_eq!(
        load(Some(&sample), &Flags::default()).unwrap(),
        Config::default()
    );

    let keys = |value: &serde_json::Value| {
        let mut keys = Vec::new();
        paths(value, "", &mut keys);
        keys
    };
    let shown: serde_json::Value =
        serde_saphyr::from_str(&std::fs::read_to_string(sample).unwrap()).unwrap();
    assert_eq!(
        keys(&shown),
        keys(&serde_json::to_value(Config::default()).unwrap())
    );
}

fn paths(value: &serde_json::Value, path: &str, into: &mut Vec<String>) {
    match value.as_object() {
        Some(fields) => fields
            .iter()
            .for_each(|(name, value)| paths(value, &format!("{path}.{name}"), into)),
        None => into.push(path.to_owned()),
    }
}

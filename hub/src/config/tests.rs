use std::{env, fs};

use super::*;

fn load_text(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.yaml");
    fs::write(&file, text).unwrap();
    load(&[file])
}

const WHOLE: &str = "
clusters:
  east: {token: {issuer: 'https://east.example', subject: 'system:serviceaccount:flyte:agent'}}
tenants:
  warehouse:
    clusters: [east]
    namespaces: ['data-*']
    flyteAdmin: main
    projects: [data-warehouse]
    domains: ['*']
    sources: [registry]
    images: ['*']
    defaultSource: registry
sources:
  registry: {kind: oci, registry: registry.example:5000}
flyteAdmins:
  main: {endpoint: 'flyte.example:443'}
";

#[test]
fn a_whole_configuration_is_read() {
    let config = load_text(WHOLE).unwrap();
    assert_eq!(config.listen.address.port(), 7443);
    assert!(config.tenants["warehouse"].namespaces[0].matches("data-dev", "p", "d"));
}

#[test]
fn unknown_keys_are_refused_with_file_and_key() {
    let error = load_text(&format!("{WHOLE}\nwork: {{retries: 3}}"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("retries") && error.contains("hub.yaml"),
        "{error}"
    );
}

#[test]
fn sources_of_every_kind_are_read_and_their_unknown_keys_are_named() {
    let shared = "timeout: 5s, maxPackageSize: 1Gi, rate: 2.5, maxConcurrent: 4, caFile: /ca, redirectHosts: [blobs:9000]";
    let kinds = [
        "kind: oci, registry: 'registry.example/flyte', dockerConfigFile: /d, tokenRealms: [git.example]",
        "kind: artifactory, url: 'https://a.example/artifactory', prefix: flyte, tokenFile: /t",
        "kind: http, url: 'https://files.example', username: u, passwordFile: /p",
    ];
    for kind in kinds {
        let source = format!("sources: {{registry: {{{kind}, {shared}}}}}");
        let config = load_text(&source).unwrap();
        assert!(config.sources["registry"].problems().is_empty(), "{kind}");
        let error = load_text(&source.replace("rate:", "rates:"))
            .unwrap_err()
            .to_string();
        let named = error.contains("sources.registry") && error.contains("`rates`");
        assert!(named && error.contains("hub.yaml"), "{error}");
        let error = load_text(&source.replace("timeout: 5s", "timeout: 0s"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("sources.registry.timeout: must be"),
            "{error}"
        );
    }
}

#[test]
fn signatures_are_demanded_of_registries_alone() {
    let tenant = WHOLE.replace(
        "    defaultSource",
        "    signatures: {keyFiles: [/etc/hub/cosign.pub]}\n    defaultSource",
    );
    let config = load_text(&tenant).unwrap();
    assert!(config.tenants["warehouse"].signatures.is_some());
    let files = tenant.replace(
        "kind: oci, registry: registry.example:5000",
        "kind: http, url: 'https://files.example'",
    );
    let error = load_text(&files).unwrap_err().to_string();
    assert!(
        error.contains("tenants.warehouse.signatures: sources.registry is no registry"),
        "{error}"
    );
}

#[test]
fn names_must_exist() {
    let text = WHOLE
        .replace("flyteAdmin: main", "flyteAdmin: other")
        .replace("sources: [registry]", "sources: [gone]");
    let error = load_text(&text).unwrap_err().to_string();
    assert!(
        error.contains("tenants.warehouse.flyteAdmin: there is no flyteAdmins.other"),
        "{error}"
    );
    assert!(
        error.contains("tenants.warehouse.sources: there is no sources.gone"),
        "{error}"
    );
    assert!(error.contains("tenants.warehouse.defaultSource"), "{error}");
}

#[test]
fn without_tls_only_loopback() {
    let error = load_text(&format!("{WHOLE}\nlisten: {{address: '0.0.0.0:7443'}}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("listen.address"), "{error}");
}

#[test]
fn the_api_is_never_open_and_says_where_its_authorities_stand() {
    let load_api = |api: &str| load_text(&format!("api: {{{api}}}"));
    for (api, problem) in [
        ("listen: '127.0.0.1:1'", "api.tokenFile: must be set"),
        (
            "listen: '0.0.0.0:1', tokenFile: /t",
            "api.listen: must be a loopback address",
        ),
        (
            "listen: '127.0.0.1:1', clientCaFile: /ca",
            "api.clientCaFile: means nothing",
        ),
        (
            "listen: '0.0.0.0:1', tokenFile: /t, tls: {certFile: /c, keyFile: /k, clientCaFile: /ca}",
            "api.tls.clientCaFile: stands beside api.tls",
        ),
    ] {
        let error = load_api(api).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    load_api("listen: '0.0.0.0:1', clientCaFile: /ca, tls: {certFile: /c, keyFile: /k}").unwrap();
}

#[test]
fn flyte_admins_are_checked() {
    let auth = "{clientId: hub, clientSecretFile: /s, tokenUrl: 'http://idp.example/token'}";
    let wrong = format!("{{endpoint: 'a:1', auth: {auth}}}");
    let error = load_text(&format!("flyteAdmins: {{main: {wrong}}}"));
    let error = error.unwrap_err().to_string();
    let expected = "flyteAdmins.main: auth.tokenUrl must be an https URL";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_missing_file_is_an_error() {
    assert!(matches!(
        load(&[PathBuf::from("/nonexistent/hub.yaml")]),
        Err(ConfigError::Read(_))
    ));
}

#[test]
fn the_shipped_sample_is_valid() {
    let hub = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    load(&[hub.join("../config/hub.yaml")]).unwrap();
}

#[test]
fn clusters_are_read_and_what_is_wrong_with_them_is_named() {
    let read = |clusters: &str| {
        load_text(&format!(
            "listen: {{tls: {{certFile: /c, keyFile: /k, clientCaFile: /ca}}}}\nclusters: {{{clusters}}}"
        ))
    };
    let token = "issuer: 'https://a.example', subject: 'system:serviceaccount:flyte:agent'";
    let jwks = r#"jwks: {"keys": [{"kty": "RSA", "kid": "a", "alg": "RS256", "use": "sig", "n": "AQAB", "e": "AQAB"}]}"#;
    let good = format!(
        "a: {{token: {{{token}}}}}, b: {{token: {{{token}, {jwks}, audience: hub}}, uid: u}}, \
         c: {{certificate: {{dns: agent.c.example}}}}, d: {{certificate: {{uri: 'spiffe://acme/d'}}, token: {{{token}, jwksFile: /d.json}}}}, \
         e: {{token: {{{token}, jwksUrl: 'https://e.example/jwks', caFile: /ca}}}}",
    );
    assert_eq!(read(&good).unwrap().clusters.len(), 5);

    for (clusters, message) in [
        ("a: {}", "clusters.a.token: or certificate must be set"),
        ("a: {tokenFile: /t}", "tokenFile"),
        (
            "a/b: {certificate: {dns: x}}",
            "clusters.a/b: must be named by",
        ),
        (
            ".a: {certificate: {dns: x}}",
            "clusters..a: must be named by",
        ),
        ("a: {certificate: {cn: x}}", "clusters.a.certificate"),
        (
            "a: {certificate: {dns: x}}, b: {certificate: {dns: X}}",
            "clusters.b.certificate: has the name of clusters.a",
        ),
        (
            "a: {certificate: {dns: x}, uid: u}, b: {certificate: {dns: y}, uid: u}",
            "clusters.b.uid: is that of clusters.a",
        ),
        (
            "a: {token: {TOKEN}}, b: {token: {TOKEN, audience: other}}",
            "clusters.b.token: has the issuer and the keys of clusters.a",
        ),
        (
            "a: {token: {TOKEN, jwksFile: /f, jwksUrl: 'https://x'}}",
            "clusters.a.token: only one of",
        ),
        (
            "a: {token: {TOKEN, jwksFile: /f, caFile: /ca}}",
            "clusters.a.token.caFile: is for keys that are fetched",
        ),
        (
            "a: {token: {TOKEN, jwksUrl: 'http://x'}}",
            "clusters.a.token.jwksUrl: must be an https URL",
        ),
        (
            "a: {token: {TOKEN, jwks: {keys: []}}}",
            "clusters.a.token.jwks: it has no key",
        ),
        (
            "a: {token: {issuer: 'http://x', subject: 'system:serviceaccount:a:b'}}",
            "clusters.a.token.issuer: must be an https URL",
        ),
        (
            "a: {token: {issuer: 'https://x', subject: 'system:serviceaccount:a:b:c'}}",
            "clusters.a.token.subject: must be system:",
        ),
        (
            "a: {token: {issuer: 'https://x', subject: 'system:node:a'}}",
            "clusters.a.token.subject: must be system:",
        ),
        ("a: {token: {TOKEN, algorithm: none}}", "algorithm"),
    ] {
        let error = read(&clusters.replace("TOKEN", token))
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{clusters}: {error}");
    }
    let error = load_text("clusters: {a: {certificate: {dns: x}}}")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("clusters.a.certificate: wants listen.tls.clientCaFile"),
        "{error}"
    );
}

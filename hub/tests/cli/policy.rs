//! What the policy of a configuration says: `can-i` and `check-config`.

use serde_json::json;

use super::bench::{Ran, finished, program};

const CONFIG: &str = "
clusters:
  east: {token: {issuer: 'https://east.example', subject: 'system:serviceaccount:flyte-system:agent'}}
tenants:
  warehouse:
    clusters: [east]
    namespaces: ['{appid:[0-9]+}-{project}-{domain}']
    namespaceSelector: {matchLabels: {team: data}}
    flyteAdmin: main
    projects: ['*']
    domains: [dev, prod]
    sources: [registry]
    defaultSource: registry
    packagePrefixes: [team]
    images: ['ghcr.io/acme/*']
    serviceAccounts: ['etl-*']
sources:
  registry: {kind: oci, registry: registry.example:5000/flyte}
flyteAdmins:
  main: {endpoint: 'flyte.example:443'}
";

async fn run(config: &str, arguments: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hub.yaml"), config).unwrap();
    let mut run = program(arguments);
    run.args(["--config", "hub.yaml"]).current_dir(dir.path());
    finished(run).await
}

async fn ask(more: &[&str]) -> Ran {
    let question = [
        "can-i",
        "--cluster",
        "east",
        "--namespace",
        "1-etl-dev",
        "--label",
        "team=data",
        "--project",
        "etl",
    ];
    let domain: &[&str] = if more.contains(&"--domain") {
        &[]
    } else {
        &["--domain", "dev"]
    };
    run(CONFIG, &[&question[..], domain, more].concat()).await
}

#[tokio::test]
async fn can_i_says_yes_and_by_which_rule() {
    let more = [
        "--package",
        "team/flows",
        "--version",
        "v7",
        "--image",
        "ghcr.io/acme/etl:v1",
        "--service-account",
        "etl-runner",
        "--output",
        "json",
    ];
    let ran = ask(&more).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(
        ran.json(),
        json!({
            "allowed": true, "rule": "tenants.warehouse", "tenant": "warehouse", "flyteAdmin": "main",
            "source": "registry", "package": "oci://registry.example:5000/flyte/team/flows:v7",
        })
    );
    let ran = ask(&[]).await;
    assert!(
        ran.out.contains("ALLOWED") && ran.out.contains("tenants.warehouse"),
        "{ran:?}"
    );
}

/// What is asked besides, the key of the tenant that denies it, and what is said.
const DENIED: &str = "
--domain prod                  | namespaces          | into domain prod of project etl
--domain stage                 | domains             | into domain stage
--image evil/x                 | images              | the image evil/x
--service-account root         | serviceAccounts     | account root
--iam-role r                   | iamRoles            | role r
--activate                     | activateLaunchPlans | activate
--package other                | packagePrefixes     | the package other
--package oci://evil.example/x | sources             | no source
";

#[tokio::test]
async fn can_i_says_no_and_why() {
    for row in DENIED.trim().lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let &[more, key, told] = cells.as_slice() else {
            panic!("{row}");
        };
        let more: Vec<&str> = more.split(' ').collect();
        let ran = ask(&[&more[..], &["--output", "json"]].concat()).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let answer = ran.json();
        assert_eq!(
            (&answer["rule"], &answer["reason"]),
            (&json!(format!("tenants.warehouse.{key}")), &json!("Denied"))
        );
        let message = answer["message"].as_str().unwrap();
        assert!(
            message.contains(told) && !message.contains("warehouse"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn can_i_is_misused() {
    for more in [
        vec!["--label", "team"],
        vec!["--version", "v1"],
        vec!["--config", "none.yaml"],
        vec!["--output", "yaml"],
    ] {
        let ran = ask(&more).await;
        assert_eq!(ran.code, Some(2), "{more:?} {ran:?}");
        assert_eq!(ran.out, "");
    }
}

#[tokio::test]
async fn check_config_explains_and_warns() {
    let ran = run(CONFIG, &["check-config"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for told in [
        "ok: 1 clusters, 1 tenants",
        "namespaces {appid:[0-9]+}-{project}-{domain} labelled team=data of clusters east",
        "may register into projects * and domains dev, prod of main",
        "packages from registry, below team",
        "with service accounts etl-*",
    ] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
    assert!(!ran.out.contains("warning"), "{}", ran.out);
    let doubtful = CONFIG.replace("domains: [dev, prod]", "domains: ['*']");
    let ran = run(&doubtful, &["check-config"]).await;
    assert!(
        ran.out.contains("warning: tenants.warehouse.namespaces: "),
        "{}",
        ran.out
    );
    let wrong = CONFIG.replace("{appid:[0-9]+}", "{appid:[0-9}");
    let ran = run(&wrong, &["check-config"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.contains("tenants.warehouse.namespaces") && ran.err.contains("hub.yaml"),
        "{ran:?}"
    );
}

use flyte_registration_fixtures::packages::ETL;
use serde_json::{Value, json};

use super::bench::{Bench, with_other_images, writes};

#[tokio::test]
async fn a_package_is_registered_and_the_next_time_unchanged() {
    let bench = Bench::new().await;
    let ran = bench.run("register", "etl.tgz", &[]).await;
    // Neither logs nor progress: this is no terminal.
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ran.out);

    bench.counts();
    let ran = bench.run("register", "etl.tgz", &["-o", "json"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let counts = bench.counts();
    assert_eq!(writes(&counts), Vec::<&String>::new(), "{counts:?}");
    let told = ran.json();
    assert_eq!(told["dryRun"], false);
    assert_eq!(told["version"], "v1");
    assert_eq!(told["package"]["uri"], "etl.tgz");
    assert_eq!(told["package"]["size"], ETL.len());
    let unchanged = json!({
        "tasks": 5, "workflows": 2, "launchPlans": 3,
        "created": 0, "unchanged": 10, "activated": 0, "failed": 0,
    });
    assert_eq!(told["counts"], unchanged);
    assert!(told.get("failure").is_none());
    let entities = told["entities"].as_array().unwrap();
    assert_eq!(entities.len(), 10);
    assert!(
        entities.iter().all(|one| one["action"] == "Unchanged"),
        "{told:#}"
    );
}

#[tokio::test]
async fn conflicts_are_told_in_full() {
    let bench = Bench::new().await;
    assert_eq!(bench.run("register", "etl.tgz", &[]).await.code, Some(0));
    bench.file("other.tgz", with_other_images(ETL));
    let ran = bench.run("register", "other.tgz", &[]).await;
    assert_eq!(ran.code, Some(1));
    let error =
        "error: not registered: VersionConflict: version v1 is registered with other content";
    assert!(ran.err.starts_with(error), "{}", ran.err);
    // Which of the failed tasks is named depends on whose answer comes first.
    let lines = ran
        .out
        .lines()
        .map(|line| match line.split_once("skipped") {
            Some((row, why)) if why.ends_with("failed") => format!("{row}skipped"),
            _ => line.to_owned(),
        });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn launch_plans_are_activated_as_asked_for() {
    let bench = Bench::new().await;
    let scheduled = ["--activate", "scheduled", "--output", "json"];
    let ran = bench.run("register", "etl.tgz", &scheduled).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.json()["activations"], json!([{"name": "nightly"}]));
    assert_eq!(bench.running().await, ["v1"]);

    let named = ["--activate-launch-plan", "nightly", "--output", "json"];
    let ran = bench.run_as("register", "etl.tgz", "v2", &named).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let activations = json!([{"name": "nightly", "before": "v1"}]);
    assert_eq!(ran.json()["activations"], activations);
    assert_eq!(bench.running().await, ["v2"]);

    let all = ["--activate", "all", "--output", "json"];
    let ran = bench.run_as("register", "etl.tgz", "v2", &all).await;
    assert_eq!(ran.json()["counts"]["activated"], 3, "{}", ran.err);

    let unknown = ["--activate-launch-plan", "hourly"];
    let ran = bench.run("register", "etl.tgz", &unknown).await;
    assert_eq!(ran.code, Some(1));
    let error = "InvalidSpec: --activate-launch-plan: the package holds no launch plan hourly";
    assert!(ran.err.contains(error), "{}", ran.err);
}

#[tokio::test]
async fn options_reach_the_launch_plans_and_workflows_are_chosen() {
    let bench = Bench::new().await;
    let one = ["--workflow", "sub", "--output", "json"];
    let ran = bench.run("register", "etl.tgz", &one).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.json()["counts"]["workflows"], 1);

    let options = [
        "--k8sServiceAccount=etl-runner",
        "--iam-role=arn:aws:iam::123456789012:role/etl",
        "--raw-output-data-prefix=s3://acme-data/etl",
        "--output=json",
    ];
    assert_eq!(
        bench.run("register", "etl.tgz", &options).await.code,
        Some(1)
    );
    let ran = bench.run_as("register", "etl.tgz", "v2", &options).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = bench
        .run_as("register", "etl.tgz", "v2", &["--output=json"])
        .await;
    assert_eq!(ran.code, Some(1));
    let told = ran.json();
    let paths: Vec<&Value> = told["entities"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entity| entity["type"] == "LaunchPlan")
        .flat_map(|entity| entity["differences"].as_array().unwrap())
        .map(|difference| &difference["path"])
        .collect();
    for field in ["auth_role", "security_context", "raw_output_data_config"] {
        let of_field = |path: &&&Value| path.as_str().unwrap().starts_with(field);
        assert_eq!(
            paths.iter().filter(of_field).count(),
            3,
            "{field}: {paths:?}"
        );
    }
}

#[tokio::test]
async fn what_stands_against_it_is_one_with_a_reason_for_scripts() {
    let bench = Bench::new().await;
    bench.file("text.tgz", "text");
    let ran = bench
        .run("register", "text.tgz", &["--output", "json"])
        .await;
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.json()["failure"]["reason"], "PackageInvalid");
    let nobody = "oci://127.0.0.1:1/acme/etl";
    let ran = bench.run("register", nobody, &["--output", "json"]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let failure = &ran.json()["failure"];
    assert_eq!(failure["reason"], "SourceUnavailable");
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("acme/etl:v1"), "{message}");
    bench.fault(r#"{"action": {"fail": {"code": 16, "message": "who?"}}}"#);
    let ran = bench
        .run("register", "etl.tgz", &["--output", "json"])
        .await;
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.json()["failure"]["reason"], "FlyteUnavailable");
}

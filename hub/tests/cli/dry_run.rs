//! A dry run says what the registration then does, and writes nothing.

use flyte_registration_fixtures::packages::ETL;
use serde_json::Value;

use super::bench::{Bench, with_other_images, writes};

/// What the dry run says, and then the registration, which must agree.
async fn both(bench: &Bench, package: &str, version: &str, more: &[&str]) -> Value {
    bench.counts();
    let json = [more, &["--output", "json"]].concat();
    let dry = [&json[..], &["--dry-run"]].concat();
    let foreseen = bench.run_as("register", package, version, &dry).await;
    let counts = bench.counts();
    assert_eq!(writes(&counts), Vec::<&String>::new(), "{counts:?}");

    let done = bench.run_as("register", package, version, &json).await;
    assert_eq!(foreseen.code, done.code, "{foreseen:?} {done:?}");
    let (foreseen, done) = (foreseen.json(), done.json());
    assert_eq!(
        (&foreseen["dryRun"], &done["dryRun"]),
        (&true.into(), &false.into())
    );
    assert_eq!(foreseen["counts"], done["counts"], "{foreseen:#} {done:#}");
    assert_eq!(foreseen["failure"]["reason"], done["failure"]["reason"]);
    assert_eq!(foreseen["activations"], done["activations"]);
    for (foreseen, done) in entities(&foreseen).iter().zip(entities(&done)) {
        assert_eq!(foreseen["name"], done["name"]);
        assert_eq!(foreseen["differences"], done["differences"]);
        // Neither has one where nothing is begun.
        assert_eq!(foreseen["action"], done["action"], "{foreseen:#} {done:#}");
    }
    foreseen
}

fn entities(told: &Value) -> &Vec<Value> {
    told["entities"].as_array().unwrap()
}

fn count(told: &Value, action: &str) -> usize {
    let counted = entities(told)
        .iter()
        .filter(|entity| entity["action"] == action);
    counted.count()
}

#[tokio::test]
async fn new_unchanged_and_conflicting() {
    let bench = Bench::new().await;
    let told = both(&bench, "etl.tgz", "v1", &[]).await;
    assert_eq!(count(&told, "Created"), 10);
    let told = both(&bench, "etl.tgz", "v1", &[]).await;
    assert_eq!(count(&told, "Unchanged"), 10);

    bench.file("other.tgz", with_other_images(ETL));
    let told = both(&bench, "other.tgz", "v1", &[]).await;
    assert_eq!(told["failure"]["reason"], "VersionConflict");
    assert_eq!(count(&told, "Failed"), 5);
    let task = &entities(&told)[0];
    assert_eq!(task["differences"][0]["path"], "container.image");
}

#[tokio::test]
async fn activation() {
    let bench = Bench::new().await;
    let scheduled = ["--activate", "scheduled"];
    let told = both(&bench, "etl.tgz", "v1", &scheduled).await;
    assert_eq!(count(&told, "Activated"), 1);
    let told = both(&bench, "etl.tgz", "v2", &scheduled).await;
    let mut entities = entities(&told).iter();
    let activated = entities
        .find(|entity| entity["action"] == "Activated")
        .unwrap();
    assert_eq!(activated["message"], "version v1 is active now");
}

#[tokio::test]
async fn missing_references() {
    let bench = Bench::new().await;
    let told = both(&bench, "features.tgz", "v1", &[]).await;
    assert_eq!(told["failure"]["reason"], "ReferenceNotFound");
    assert_eq!(entities(&told).len(), 23, "the plan is shown all the same");
    let references = told["references"].as_array().unwrap();
    assert_eq!(references[0]["project"], "data-warehouse");
}

#[tokio::test]
async fn missing_projects_and_domains() {
    let mut bench = Bench::new().await;
    bench.domain = "nowhere";
    let told = both(&bench, "etl.tgz", "v1", &[]).await;
    assert_eq!(told["failure"]["reason"], "DomainNotFound");
    bench.domain = "development";
    bench.project = "nowhere";
    let told = both(&bench, "etl.tgz", "v1", &[]).await;
    assert_eq!(told["failure"]["reason"], "ProjectNotFound");
    assert_eq!(entities(&told).len(), 10, "the plan is shown all the same");
    let told = both(&bench, "etl.tgz", "v1", &["--create-project"]).await;
    assert_eq!(count(&told, "Created"), 10);
}

#[tokio::test]
async fn people_read_what_would_happen() {
    let bench = Bench::new().await;
    let one = ["--workflow", "sub"];
    assert_eq!(bench.run("register", "etl.tgz", &one).await.code, Some(0));
    let more = ["--dry-run", "--activate", "scheduled"];
    let ran = bench.run("register", "etl.tgz", &more).await;
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(ran.out);
    let ran = bench.run("register", "features.tgz", &more).await;
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.err
            .starts_with("error: would not be registered: ReferenceNotFound"),
        "{}",
        ran.err
    );
    insta::assert_snapshot!(ran.out);
}

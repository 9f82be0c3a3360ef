use flyte_registration_fixtures::packages::ETL;

use super::bench::{Bench, with_other_images, writes};

#[tokio::test]
async fn identical_is_zero_and_different_is_one() {
    let bench = Bench::new().await;
    let ran = bench.run("diff", "etl.tgz", &[]).await;
    assert_eq!(ran.code, Some(1));
    let last = "0 the same, 0 different, 10 not registered\n";
    assert!(ran.out.ends_with(last), "{}", ran.out);

    assert_eq!(bench.run("register", "etl.tgz", &[]).await.code, Some(0));
    bench.counts();
    let ran = bench.run("diff", "etl.tgz", &[]).await;
    assert_eq!(ran.out, "10 the same, 0 different, 0 not registered\n");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let counts = bench.counts();
    assert_eq!(writes(&counts), Vec::<&String>::new(), "{counts:?}");
}

#[tokio::test]
async fn what_differs_is_printed() {
    let bench = Bench::new().await;
    assert_eq!(bench.run("register", "etl.tgz", &[]).await.code, Some(0));
    bench.file("other.tgz", with_other_images(ETL));
    let ran = bench.run("diff", "other.tgz", &[]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    insta::assert_snapshot!(ran.out);

    let ran = bench.run("diff", "other.tgz", &["--output", "json"]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let json = ran.json();
    assert_eq!(
        (json["same"].as_u64(), json["different"].as_u64()),
        (Some(5), Some(5))
    );
    let mut entities = json["entities"].as_array().unwrap().iter();
    let task = entities.find(|entity| entity["type"] == "Task").unwrap();
    assert_eq!(task["comparison"], "different");
    let difference = &task["differences"][0];
    assert_eq!(difference["path"], "container.image");
    assert_eq!(difference["change"], "changed");
    assert!(difference["old"].as_str().unwrap().starts_with("ghcr.io/"));
    assert!(difference["new"].as_str().unwrap().starts_with("quay.io/"));
}

#[tokio::test]
async fn what_cannot_be_compared_is_two() {
    let bench = Bench::new().await;
    let ran = bench.run("diff", "/nowhere.tgz", &[]).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("/nowhere.tgz"), "{}", ran.err);
    bench.file("text.tgz", "text");
    let ran = bench.run("diff", "text.tgz", &[]).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("gzip"), "{}", ran.err);
    bench.fault(r#"{"action": {"fail": {"code": 16, "message": "who?"}}}"#);
    let ran = bench.run("diff", "etl.tgz", &[]).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("who?"), "{}", ran.err);
}

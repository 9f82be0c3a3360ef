//! How the program is used, and misused.

use super::bench::{Bench, finished, program};

const WHERE: [&str; 6] = [
    "--project",
    "flytesnacks",
    "--domain",
    "development",
    "--version",
    "v1",
];

#[tokio::test]
async fn misuse_is_two() {
    let bench = Bench::new().await;
    for (more, told) in [
        (vec![], "--admin-endpoint"),
        (vec!["--admin-endpoint", "a b"], "host:port"),
        (
            vec!["--insecure", "--config", "one.yaml"],
            "--admin-endpoint",
        ),
        (vec!["--config", "none.yaml"], "none.yaml"),
        (
            vec!["--config", "two.yaml"],
            "--flyte-admin must name one of east, west",
        ),
        (
            vec!["--config", "two.yaml", "--flyte-admin", "north"],
            "no FlyteAdmin north; there are: east, west",
        ),
        (
            vec!["--config", "two.yaml", "--version", "a/b"],
            "'.', '_', '~'",
        ),
        (
            vec!["--config", "one.yaml", "--service-account", "Me!"],
            "service account",
        ),
    ] {
        let admin =
            "flyteAdmins: {east: {endpoint: 'localhost:1'}, west: {endpoint: 'localhost:1'}}";
        bench.file("two.yaml", admin);
        bench.file("one.yaml", "flyteAdmins: {east: {endpoint: 'localhost:1'}}");
        for command in ["register", "diff"] {
            if command == "diff" && more.contains(&"--service-account") {
                continue;
            }
            let mut run = program(&[command, "etl.tgz"]);
            run.args(&WHERE[..4])
                .args(&more)
                .current_dir(bench.dir.path());
            if !more.contains(&"--version") {
                run.args(&WHERE[4..]);
            }
            let ran = finished(run).await;
            assert_eq!(ran.code, Some(2), "{more:?}: {ran:?}");
            assert!(ran.err.contains(told), "{more:?}: {}", ran.err);
            assert_eq!(ran.out, "");
        }
    }
}

#[tokio::test]
async fn a_version_is_never_guessed() {
    let mut run = program(&["register", "etl.tgz", "--admin-endpoint", "localhost:1"]);
    run.args(&WHERE[..4]);
    let ran = finished(run).await;
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("--version"), "{}", ran.err);
}

#[tokio::test]
async fn the_configuration_names_the_flyteadmin() {
    let bench = Bench::new().await;
    let config = format!(
        "flyteAdmins: {{main: {{endpoint: '{}', insecure: true}}}}",
        bench.emulator.grpc
    );
    bench.file("hub.yaml", config);
    for more in [vec![], vec!["--flyte-admin", "main"]] {
        let mut run = program(&["register", "etl.tgz", "--config", "hub.yaml", "-o", "json"]);
        run.args(WHERE).args(&more).current_dir(bench.dir.path());
        let ran = finished(run).await;
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert_eq!(ran.json()["flyteAdmin"], "main");
    }
}

#[tokio::test]
async fn logs_are_written_where_they_are_asked_for() {
    let bench = Bench::new().await;
    let ran = bench
        .run("register", "etl.tgz", &["-v", "-o", "json"])
        .await;
    assert_eq!(ran.code, Some(0));
    assert!(ran.err.contains("registration ended"), "{}", ran.err);
    assert_eq!(
        ran.json()["counts"]["created"],
        10,
        "apart from the outcome"
    );
}

#[tokio::test]
async fn help_shows_examples_and_exit_codes_and_shells_complete() {
    for command in ["register", "diff"] {
        let ran = finished(program(&[command, "--help"])).await;
        assert_eq!(ran.code, Some(0));
        for part in ["Examples:", "Exit codes:", "--output json"] {
            assert!(ran.out.contains(part), "{command} {part}: {}", ran.out);
        }
    }
    for shell in ["bash", "zsh", "fish"] {
        let ran = finished(program(&["completion", shell])).await;
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        for part in ["register", "dry-run", "check-config"] {
            assert!(ran.out.contains(part), "{shell} {part}");
        }
    }
}

//! Ctrl-C.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::bench::{Bench, Ran};

/// Starts it, waits until FlyteAdmin is asked `rpc`, and presses Ctrl-C.
async fn interrupted(bench: &Bench, mut command: Command, rpc: &str) -> Ran {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child: Child = child.spawn().unwrap();
    let begun = Instant::now();
    while !bench
        .emulator
        .counters()
        .snapshot()
        .by_rpc
        .contains_key(rpc)
    {
        assert!(begun.elapsed() < Duration::from_secs(30), "no {rpc}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let output = tokio::task::spawn_blocking(|| child.wait_with_output());
    output.await.unwrap().unwrap().into()
}

#[tokio::test]
async fn what_is_on_its_way_is_dropped_and_the_next_time_goes_on() {
    let bench = Bench::new().await;
    bench.fault(r#"{"rpc": "CreateWorkflow", "action": "hang"}"#);
    let command = bench.command("register", "etl.tgz", "v1");
    let ran = interrupted(&bench, command, "CreateWorkflow").await;
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert_eq!(ran.err, "error: stopped by SIGINT\n");
    bench.emulator.faults().clear();
    let ran = bench
        .run("register", "etl.tgz", &["--output", "json"])
        .await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(ran.json()["counts"]["unchanged"], 5, "its tasks");
}

#[tokio::test]
async fn an_activation_that_has_begun_is_ended() {
    let bench = Bench::new().await;
    let activate = ["--activate", "scheduled"];
    let ran = bench.run("register", "etl.tgz", &activate).await;
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    bench.counts();
    bench.fault(r#"{"rpc": "UpdateLaunchPlan", "action": {"delayMs": 700}}"#);
    let mut command = bench.command("register", "etl.tgz", "v2");
    command.args(activate);
    let ran = interrupted(&bench, command, "UpdateLaunchPlan").await;
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert_eq!(bench.running().await, ["v2"]);
    // Its last step is to make sure that nothing else is active.
    let calls = bench.counts().by_rpc;
    assert!(calls["ListLaunchPlans"] > 2, "{calls:?}");
}

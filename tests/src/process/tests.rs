use std::{env, fs, path::Path, thread, time::Duration};

use super::Process;
use crate::{block_on, paths::run_dir, wait_until};

const SOON: Duration = Duration::from_secs(10);

fn shell(name: &str, script: &str) -> Process {
    Process::start(
        name,
        &run_dir(name).unwrap(),
        Path::new("sh"),
        ["-c", script],
        &[],
    )
    .unwrap()
}

#[test]
fn is_killed_and_started_again_with_one_log() {
    let process = shell("again", "echo here; exec sleep 1000");
    let lines = |count| {
        let process = &process;
        block_on(wait_until(SOON, "lines", || async move {
            let log = process.log();
            if log == "here\n".repeat(count) {
                Ok(())
            } else {
                Err(log)
            }
        }))
        .unwrap();
    };
    lines(1);
    assert!(process.exited().unwrap().is_none());
    assert!(process.rss_bytes().unwrap() > 100_000);
    process.kill().unwrap();
    assert!(process.exited().is_err());
    process.start_again().unwrap();
    lines(2);
    assert!(process.start_again().is_err());
}

/// The thread matters: Linux sends the parent-death signal when the thread that spawned a child ends.
#[test]
fn outlives_the_thread_that_started_it_and_ends_gracefully() {
    let script = "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done";
    let process = thread::spawn(|| shell("graceful", script)).join().unwrap();
    let up = || async {
        if process.log().contains("up") {
            Ok(())
        } else {
            anyhow::bail!("not up")
        }
    };
    block_on(process.ready(SOON, up)).unwrap();
    assert_eq!(block_on(process.terminate(SOON)).unwrap().code(), Some(7));
    process.start_again().unwrap();
}

#[test]
fn a_process_that_ends_early_fails_at_once_with_its_log() {
    let process = shell("early", "echo no such thing; exit 3");
    let error = block_on(process.ready(Duration::from_secs(1000), || async {
        anyhow::bail!("never")
    }))
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("exit status: 3") && error.contains("no such thing"),
        "{error}"
    );
}

/// Not a test of its own: what the next one runs in another process, and kills.
#[test]
fn parent_of_a_child() {
    if let Some(out) = env::var_os("FLYTE_REG_TEST_CHILD_PID") {
        let child = shell("orphan", "exec sleep 1000");
        fs::write(out, child.pid().unwrap().as_raw_nonzero().to_string()).unwrap();
        loop {
            thread::park();
        }
    }
}

#[test]
fn dies_with_its_parent() {
    let dir = run_dir("parent").unwrap();
    let out = dir.join("pid");
    let args = ["--exact", "process::tests::parent_of_a_child"];
    let env = [("FLYTE_REG_TEST_CHILD_PID", out.to_str().unwrap())];
    let parent = Process::start("parent", &dir, &env::current_exe().unwrap(), args, &env).unwrap();
    let pid = block_on(wait_until(SOON, "the child's id", || async {
        fs::read_to_string(&out)
            .map_err(anyhow::Error::from)?
            .parse::<u32>()
            .map_err(anyhow::Error::from)
    }))
    .unwrap();
    let command_line = format!("/proc/{pid}/cmdline");
    assert!(fs::read_to_string(&command_line).unwrap().contains("1000"));
    parent.kill().unwrap();
    block_on(wait_until(SOON, "the child is gone", || async {
        // A zombie that nobody has waited for yet has an empty command line.
        match fs::read_to_string(&command_line) {
            Ok(line) if !line.is_empty() => Err(line),
            _ => Ok(()),
        }
    }))
    .unwrap();
}

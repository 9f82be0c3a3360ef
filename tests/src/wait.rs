//! Waiting for a condition with a deadline.

use std::{fmt::Display, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, timeout_at};

use crate::process;

const INTERVAL: Duration = Duration::from_millis(50);

/// Asks `check` again and again until it answers `Ok`. An `Err` means "not yet" and says what was seen instead.
///
/// After `deadline` it fails with `what`, the last that was seen and the end of the log of each running peer.
pub async fn wait_until<T, E, F>(
    deadline: Duration,
    what: &str,
    mut check: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T, E>>,
    E: Display,
{
    let end = Instant::now() + deadline;
    let mut seen = "nothing".to_owned();
    while let Ok(answer) = timeout_at(end, check()).await {
        match answer {
            Ok(value) => return Ok(value),
            // The alternate form of anyhow's errors is the whole chain.
            Err(error) => seen = format!("{error:#}"),
        }
        if Instant::now() + INTERVAL > end {
            break;
        }
        sleep(INTERVAL).await;
    }
    bail!(
        "{what}: not so within {deadline:?}\nlast seen: {seen}\n{}",
        process::log_tails()
    );
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use crate::{block_on, wait_until};

    #[test]
    fn answers_as_soon_as_the_condition_holds() {
        let asked = Cell::new(0);
        let answer = block_on(wait_until(
            Duration::from_secs(10),
            "the third time",
            || async {
                asked.set(asked.get() + 1);
                if asked.get() == 3 {
                    Ok(asked.get())
                } else {
                    Err("too early")
                }
            },
        ));
        assert_eq!(answer.unwrap(), 3);
    }

    #[test]
    fn failure_names_the_condition_and_what_was_seen() {
        let answer = block_on(wait_until(
            Duration::from_millis(60),
            "a blue moon",
            || async { Err::<(), _>("a white one") },
        ));
        let text = answer.unwrap_err().to_string();
        assert!(
            text.starts_with("a blue moon: not so within 60ms\nlast seen: a white one"),
            "{text}"
        );
    }

    #[test]
    fn a_check_that_hangs_does_not_outlive_the_deadline() {
        let never = || std::future::pending::<Result<(), String>>();
        assert!(block_on(wait_until(Duration::from_millis(20), "never", never)).is_err());
    }
}

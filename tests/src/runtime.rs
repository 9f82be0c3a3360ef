use std::sync::LazyLock;

use tokio::runtime::Runtime;

#[expect(
    clippy::expect_used,
    reason = "start-up of a test process: nothing can go on without it"
)]
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a tokio runtime"));

/// Runs `future` on the one runtime of this process.
///
/// One for all tests, and never dropped: connections that one test opened to a shared peer are used by the next, and
/// with a runtime for each test (`#[tokio::test]`) they would break when the test that opened them ends.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

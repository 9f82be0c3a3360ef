//! How much memory packages take: counted by the allocator, so that the figures are the same each time.

#![allow(clippy::unwrap_used, missing_docs)]

mod code;
mod plan;

use peak_alloc::PeakAlloc;
use tokio::sync::Mutex;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// One test at a time: all allocate from the same.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Counts from now on.
struct Meter(usize);

impl Meter {
    fn start() -> Self {
        ALLOCATOR.reset_peak_usage();
        Self(ALLOCATOR.current_usage())
    }

    /// The most bytes that were held since, beside those that were held before.
    fn peak(&self) -> usize {
        ALLOCATOR.peak_usage() - self.0
    }
}

//! Projects and domains that FlyteAdmin had a moment ago, so that fifty packages for one
//! project ask for it once.

use std::time::Duration;

use moka::future::Cache;

use super::preflight::place::Wrong;
use crate::package::Target;

/// How long a project and domain are taken to be there still. One that goes meanwhile is
/// noticed at the first write.
const FRESH: Duration = Duration::from_secs(30);
const PLACES_MAX: u64 = 10_000;

/// Pairs of project and domain.
#[derive(Debug)]
pub(super) struct Places(Cache<(String, String), ()>);

impl Default for Places {
    fn default() -> Self {
        let cache = Cache::builder();
        Self(cache.max_capacity(PLACES_MAX).time_to_live(FRESH).build())
    }
}

impl Places {
    /// Whether the place of `target` is there: as it was a moment ago, or else as `look` finds.
    /// Who asks at the same time shares the answer; that it is not there is never remembered.
    pub async fn check(
        &self,
        target: &Target,
        look: impl Future<Output = Result<(), Vec<Wrong>>>,
    ) -> Result<(), Vec<Wrong>> {
        let checked = self.0.try_get_with(key(target), look).await;
        checked.map_err(|wrong| Vec::clone(&wrong))
    }

    /// Whether it was there a moment ago.
    pub fn knows(&self, target: &Target) -> bool {
        self.0.contains_key(&key(target))
    }

    /// It is there now.
    pub async fn remember(&self, target: &Target) {
        self.0.insert(key(target), ()).await;
    }

    /// A write said that it is not there.
    pub async fn forget(&self, target: &Target) {
        self.0.invalidate(&key(target)).await;
    }
}

fn key(target: &Target) -> (String, String) {
    (target.project.clone(), target.domain.clone())
}

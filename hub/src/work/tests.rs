use std::time::Duration;

use super::*;
use crate::{
    fleet::{Fleet, Policy, Settings},
    receipt,
    source::{Cache as Blobs, CacheConfig},
    tenancy::Tenancy,
};

fn runner(dir: &std::path::Path) -> Arc<Runner> {
    let policy = Policy {
        tenancy: Tenancy::new(BTreeMap::new()),
        sources: BTreeMap::new(),
        epochs: BTreeMap::new(),
        receipts: receipt::Key::new(&[1; 32]),
    };
    let settings = Settings {
        retry_initial: Duration::from_secs(1),
        retry_max: Duration::from_secs(1),
        max_objects: 1,
        max_fetching: 16,
    };
    let fleet = FleetHandle::new(Fleet::new(policy, settings));
    let cache = CacheConfig {
        dir: dir.to_owned(),
        ..CacheConfig::default()
    };
    let sources = Sources::new(&BTreeMap::new(), Blobs::open(&cache).unwrap()).unwrap();
    let metrics = Arc::new(Metrics::new(fleet.clone()));
    let limits = package::Limits::default();
    let runner = Runner::new(fleet, sources, BTreeMap::new(), 1, limits, metrics);
    Arc::new(runner)
}

#[tokio::test]
async fn it_stops_whether_it_waits_for_a_free_slot_or_for_a_job() {
    let dir = tempfile::tempdir().unwrap();
    let runner = runner(dir.path());
    for slots in [0, 1] {
        let stop = CancellationToken::new();
        let run = tokio::spawn(Arc::clone(&runner).run(slots, stop.clone()));
        stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(30), run).await;
        ended.expect("it did not stop").unwrap();
    }
}

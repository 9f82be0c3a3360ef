use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::*;
use crate::{
    audit::AuditConfig,
    config::Config,
    fleet::{Fleet, Policy, Settings},
    receipt,
    source::Cache as Blobs,
    tenancy::Tenancy,
};

async fn runner(dir: &std::path::Path) -> Arc<Runner> {
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
    let mut config = Config::default();
    dir.clone_into(&mut config.cache.dir);
    let cache = Blobs::open(&config.cache).unwrap();
    let metrics = Arc::new(Metrics::new(fleet.clone()));
    let (audit, _) = Audit::open(&AuditConfig::default(), dir, metrics.audit())
        .await
        .unwrap();
    let runner = Runner::new(fleet, Parts::new(&config, cache).unwrap(), metrics, audit);
    Arc::new(runner)
}

#[tokio::test]
async fn it_stops_whether_it_waits_for_a_free_slot_or_for_a_job() {
    let dir = tempfile::tempdir().unwrap();
    let runner = runner(dir.path()).await;
    for slots in [0, 1] {
        let stop = CancellationToken::new();
        let run = tokio::spawn(Arc::clone(&runner).run(slots, stop.clone()));
        stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(30), run).await;
        ended.expect("it did not stop").unwrap();
    }
}

/// What is as it was goes on, with what it knows; the rest is set up anew.
#[tokio::test]
async fn parts_that_did_not_change_go_on() {
    let config = |endpoint: &str| {
        let admin = |endpoint: &str| json!({"endpoint": endpoint, "insecure": true});
        Config {
            flyte_admins: serde_json::from_value(json!({
                "same": admin("127.0.0.1:1"), "other": admin(endpoint),
            }))
            .unwrap(),
            ..Config::default()
        }
    };
    let dir = tempfile::tempdir().unwrap();
    let runner = runner(dir.path()).await;
    let lane = |name: &str| Arc::clone(&runner.parts().lanes[name]);
    let renew = |config: &Config| runner.replace_parts(runner.parts().renewed(config).unwrap());
    renew(&config("127.0.0.1:2"));
    let (same, other) = (lane("same"), lane("other"));
    renew(&config("127.0.0.1:3"));
    assert!(Arc::ptr_eq(&same, &lane("same")));
    assert!(!Arc::ptr_eq(&other, &lane("other")));
    renew(&Config::default());
    assert!(runner.parts().lanes.is_empty());
    assert_eq!(runner.retired.lock().len(), 2);
    renew(&Config::default());
    assert!(
        runner.retired.lock().is_empty(),
        "nothing is being activated there"
    );
}

mod fair;

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::{
    audit::AuditConfig,
    config::Config,
    fleet::{Fleet, Order, Policy, Settings},
    receipt,
    source::Cache as Blobs,
};

async fn runner(dir: &std::path::Path) -> Arc<Runner> {
    let policy = Policy::new(&Config::default(), receipt::Key::new(&[1; 32]));
    let settings = Settings {
        retry_initial: Duration::from_secs(1),
        retry_max: Duration::from_secs(1),
        max_objects: 1,
        places: 64,
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

#[tokio::test]
async fn tenants_with_credentials_of_their_own_call_as_themselves() {
    let config = |secret: &str| -> Config {
        let tenant = json!({
            "clusters": ["*"], "namespaces": ["*"], "flyteAdmin": "main", "projects": ["*"], "domains": ["*"],
            "sources": [], "images": ["*"], "auth": {"clientId": "t", "clientSecretFile": secret},
        });
        serde_json::from_value(json!({
            "tenants": {"t": tenant},
            "flyteAdmins": {"main": {"endpoint": "127.0.0.1:1", "insecure": true}},
        }))
        .unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let runner = runner(dir.path()).await;
    let renew = |config: &Config| runner.replace_parts(runner.parts().renewed(config).unwrap());
    let lane = || Arc::clone(&runner.parts().lanes["main"]);
    renew(&config("/a"));
    let first = lane();
    let order = |tenant: &str, own_credentials| Order {
        tenant: tenant.to_owned(),
        own_credentials,
        ..order()
    };
    assert!(first.caller(&order("t", true)).is_some());
    assert!(
        first.caller(&order("gone", true)).is_none(),
        "never as somebody else"
    );
    assert!(first.caller(&order("any", false)).is_some());
    renew(&config("/a"));
    assert!(Arc::ptr_eq(&first, &lane()));
    renew(&config("/b"));
    assert!(!Arc::ptr_eq(&first, &lane()));
}

fn order() -> Order {
    Order {
        tenant: String::new(),
        rule: String::new(),
        flyte_admin: "main".to_owned(),
        epoch: String::new(),
        package: crate::source::PackageRef {
            source: String::new(),
            place: crate::source::Place::File("https://files.example/a".parse().unwrap()),
            pinned: None,
            signatures: None,
        },
        target: package::Target {
            project: "p".to_owned(),
            domain: "d".to_owned(),
            version: "v".to_owned(),
        },
        selection: package::Selection::default(),
        options: package::Options::default(),
        activation: package::Activation::None,
        create_project: false,
        terms: Arc::default(),
        fingerprint: String::new(),
        weight: 1,
        own_credentials: false,
        occasion: Occasion::Change,
    }
}

//! How long the index of all resources is locked for what goes over much of it: metrics and the API beside the agents' messages.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use flyte_registration_hub::{
    config::Config,
    fleet::{Fleet, Now, Observed, Policy, Scope, Settings, Up, view::Wanted},
    receipt,
};
use flyte_registration_proto::hub::v1 as proto;
use serde_json::json;
use uuid::Uuid;

const CLUSTERS: usize = 10;
const EACH: usize = 10_000;
const NAMESPACES: usize = 100;

fn cluster(number: usize) -> Arc<str> {
    format!("cluster-{number}").into()
}

fn changed(number: usize, generation: i64) -> Up {
    let spec = json!({
        "workflowProject": format!("project-{}", number % NAMESPACES),
        "workflowDomain": "development",
        "workflowVersion": format!("v{generation}"),
        "workflowPackageUri": "team/flows",
    });
    let object = proto::Object {
        key: Some(proto::ObjectKey {
            namespace: format!("data-{}", number % NAMESPACES),
            name: format!("r{number}"),
        }),
        uid: format!("uid-{number}"),
        generation,
        spec_json: spec.to_string().into(),
        ..proto::Object::default()
    };
    let (key, observed) = Observed::from_proto(object).unwrap();
    Up::Changed(key, Box::new(observed))
}

/// All resources wait for their turn.
fn filled() -> Fleet {
    let tenants = json!({"data": {
        "clusters": ["*"], "namespaces": ["data-*"], "flyteAdmin": "main", "projects": ["*"], "domains": ["*"],
        "sources": ["registry"], "defaultSource": "registry", "images": ["*"],
    }});
    let config: Config = serde_json::from_value(json!({
        "tenants": tenants,
        "sources": {"registry": {"kind": "oci", "registry": "registry.example"}},
        "flyteAdmins": {"main": {"endpoint": "flyteadmin.example:443"}},
    }))
    .unwrap();
    let settings = Settings {
        retry_initial: Duration::from_secs(1),
        retry_max: Duration::from_secs(1),
        max_objects: EACH,
        places: 256,
    };
    let mut fleet = Fleet::new(Policy::new(&config, receipt::Key::new(&[1; 32])), settings);
    for name in (0..CLUSTERS).map(cluster) {
        let everything = Scope::default();
        fleet.open(&name, &name, everything, Uuid::nil(), Now::read());
        for number in 0..EACH {
            let up = changed(number, 1);
            fleet.receive(&name, Uuid::nil(), up, Now::read()).unwrap();
        }
    }
    assert_eq!(fleet.load(), (CLUSTERS * EACH, 0));
    fleet
}

fn locked(criterion: &mut Criterion) {
    let mut fleet = filled();
    let mut group = criterion.benchmark_group("100,000 resources");
    group.bench_function("metrics count them", |bench| {
        bench.iter(|| fleet.census());
    });
    group.bench_function("the API counts those of one cluster", |bench| {
        bench.iter(|| fleet.cluster("cluster-5").unwrap());
    });
    let unfound = Wanted {
        project: Some("none".to_owned()),
        ..Wanted::default()
    };
    group.bench_function("the API looks for what is not there", |bench| {
        bench.iter(|| fleet.registrations(&unfound, None, 500));
    });
    group.bench_function("the API reads a page of 500", |bench| {
        bench.iter(|| fleet.registrations(&Wanted::default(), None, 500));
    });
    let (east, mut changes) = (cluster(0), 0);
    group.bench_function("a resource changes and is judged", |bench| {
        let another = || {
            changes += 1;
            changed(changes % EACH, 2 + i64::try_from(changes).unwrap())
        };
        let receive = |up| fleet.receive(&east, Uuid::nil(), up, Now::read()).unwrap();
        bench.iter_batched(another, receive, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, locked);
criterion_main!(benches);

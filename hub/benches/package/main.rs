//! How long it takes to unpack and to plan (decode, fill in, check, order) a package of 10,000 entities, and to find what it claims
//! that a tenant must be allowed: CPU time, so that it does not matter what else the machine does.

#![allow(clippy::unwrap_used, missing_docs)]

mod cpu;

use std::time::Duration;

use cpu::CpuTime;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flyte_registration_fixtures::many;
use flyte_registration_hub::package::{Limits, Selection, Target, claims, plan, read};

const COPIES: usize = 1000;

fn target() -> Target {
    Target {
        project: "flytesnacks".to_owned(),
        domain: "development".to_owned(),
        version: "v1".to_owned(),
    }
}

fn packages(criterion: &mut Criterion<CpuTime>) {
    let package = many::many(COPIES);
    let (limits, target) = (Limits::default(), target());
    let unpack = || read(package.as_slice(), &limits).unwrap();
    let all = Selection::default();
    let one = Selection {
        workflow_name: Some("etl.00042.etl".to_owned()),
    };

    let mut group = criterion.benchmark_group("10,000 entities");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(8))
        .throughput(Throughput::Elements((COPIES * many::ENTITIES) as u64));
    group.bench_function("unpack", |bench| {
        bench.iter(unpack);
    });
    group.bench_function("plan", |bench| {
        bench.iter_batched(
            unpack,
            |archive| plan(archive, &target, &all).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("plan one workflow", |bench| {
        bench.iter_batched(
            unpack,
            |archive| plan(archive, &target, &one).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("claims", |bench| {
        let plan = plan(unpack(), &target, &all).unwrap();
        bench.iter(|| claims(&plan).unwrap());
    });
    group.bench_function("unpack and plan", |bench| {
        bench.iter(|| plan(unpack(), &target, &all).unwrap());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = packages
}
criterion_main!(benches);

use flyte_registration_fixtures::many;
use flyte_registration_hub::package::{Limits, Selection, Target, plan, read};

use super::{ALONE, Meter};

/// Files of the package, and the bytes in them.
fn unpacked(package: &[u8]) -> (usize, usize) {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(package));
    let entries = tar.entries().unwrap();
    let sizes = entries.map(|entry| usize::try_from(entry.unwrap().size()).unwrap());
    sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size))
}

/// Messages in memory are many times as large as encoded, so that one is decoded at a time, and what was read is
/// given up when it is planned.
#[test]
fn entities_are_planned_one_at_a_time() {
    let _alone = ALONE.blocking_lock();
    let package = many::many(1000);
    let (files, bytes) = unpacked(&package);
    assert_eq!(files, 1000 * many::ENTITIES);
    let target = Target {
        project: "flytesnacks".to_owned(),
        domain: "development".to_owned(),
        version: "v1".to_owned(),
    };
    // The descriptors are made once.
    let warm = read(many::many(1).as_slice(), &Limits::default()).unwrap();
    plan(warm, &target, &Selection::default()).unwrap();

    let meter = Meter::start();
    let archive = read(package.as_slice(), &Limits::default()).unwrap();
    let unpacking = meter.peak();
    let plan = plan(archive, &target, &Selection::default()).unwrap();
    let peak = meter.peak();
    assert_eq!(plan.entities.len(), files);
    println!("{bytes} bytes unpacked: {unpacking} to read, {peak} to plan");
    assert!(peak <= 3 * bytes, "{peak} for {bytes} bytes");
}

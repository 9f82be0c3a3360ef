use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn of(tenant: &str, weight: u32, namespace: &str) -> Share {
    Share {
        tenant: tenant.into(),
        weight,
        place: Place {
            cluster: "c".into(),
            namespace: namespace.into(),
        },
    }
}

fn share(namespace: &str) -> Share {
    of("t", 1, namespace)
}

#[test]
fn namespaces_take_turns() {
    let mut queue = Queue::default();
    for item in 0..100 {
        queue.push(share("many"), item, None);
    }
    queue.push(share("one"), 1000, None);
    let now = Instant::now();
    let taken: Vec<i32> = (0..3).filter_map(|_| queue.pop(now)).collect();
    assert_eq!(taken, [0, 1000, 1]);
}

#[test]
fn a_tenant_of_many_namespaces_has_no_more_turns_than_one_of_a_single_one() {
    let mut queue = Queue::default();
    for item in 0..10_000 {
        queue.push(of("many", 1, &format!("ns-{}", item % 1000)), item, None);
    }
    let now = Instant::now();
    queue.pop(now);
    queue.push(of("one", 1, "ns"), 20_000, None);
    let ahead = std::iter::from_fn(|| queue.pop(now)).position(|item| item == 20_000);
    assert!(ahead.unwrap() <= 1, "{ahead:?}");
}

#[test]
fn a_tenant_has_as_many_turns_as_it_weighs() {
    let mut queue = Queue::default();
    for item in 0..20 {
        queue.push(of("heavy", 3, "a"), item, None);
        queue.push(of("light", 1, "b"), 100 + item, None);
    }
    let now = Instant::now();
    let taken: Vec<i32> = (0..8).filter_map(|_| queue.pop(now)).collect();
    assert_eq!(taken, [0, 1, 2, 100, 3, 4, 5, 101]);
}

#[test]
fn who_may_not_have_one_keeps_its_turn() {
    let mut queue = Queue::default();
    for item in 0..4 {
        queue.push(of("a", 1, "x"), item, None);
        queue.push(of("b", 1, "x"), 100 + item, None);
    }
    let now = Instant::now();
    let not_a = |tenant: &str| tenant != "a";
    assert_eq!(queue.pop_of(now, not_a), Some(100));
    assert_eq!(queue.pop_of(now, not_a), Some(101));
    assert_eq!(queue.pop_of(now, |_| false), None);
    let taken: Vec<i32> = std::iter::from_fn(|| queue.pop(now)).collect();
    assert_eq!(taken, [0, 102, 1, 103, 2, 3]);
}

#[test]
fn delayed_items_wait() {
    let mut queue = Queue::default();
    let now = Instant::now();
    let due = now + Duration::from_secs(5);
    queue.push(share("a"), 1, Some(due));
    assert_eq!(queue.pop(now), None);
    assert_eq!(queue.next_due(), Some(due));
    assert_eq!(queue.pop(due), Some(1));
    assert_eq!(queue.len(), 0);
}

#[test]
fn pushing_again_moves() {
    let mut queue = Queue::default();
    let now = Instant::now();
    queue.push(share("a"), 1, Some(now + Duration::from_secs(5)));
    queue.push(share("a"), 1, None);
    assert_eq!((queue.len(), queue.next_due()), (1, None));
    assert_eq!(queue.pop(now), Some(1));
    assert_eq!(queue.pop(now + Duration::from_secs(9)), None);
}

proptest! {
    /// Whatever is pushed, moved and removed: each item comes out once, and nothing else.
    #[test]
    fn every_item_comes_out_once(steps in proptest::collection::vec((0_u8..4, 0_u8..3, 0_u8..12, 0_u64..4), 0..80)) {
        let mut queue = Queue::default();
        let start = Instant::now();
        let mut expected = BTreeSet::new();
        for (step, namespace, item, seconds) in steps {
            if step == 0 {
                queue.remove(&item);
                expected.remove(&item);
            } else {
                let due = (seconds > 0).then(|| start + Duration::from_secs(seconds));
                let tenant = (b'a' + item % 3) as char;
                let weight = u32::from(namespace) + 1;
                queue.push(of(&tenant.to_string(), weight, &namespace.to_string()), item, due);
                expected.insert(item);
            }
            prop_assert_eq!(queue.len(), expected.len());
        }
        let end = start + Duration::from_mins(1);
        let mut taken: Vec<u8> = std::iter::from_fn(|| queue.pop(end)).collect();
        taken.sort_unstable();
        prop_assert_eq!(taken, expected.into_iter().collect::<Vec<_>>());
        prop_assert!(queue.turns.is_empty() && queue.tenants.is_empty() && queue.whereabouts.is_empty());
    }
}

//! A snapshot in pieces.

use super::*;

#[test]
fn an_empty_cluster_is_one_empty_last_chunk() {
    let mut world = World::new();
    let first = world.next().unwrap();
    assert_eq!(objects(first), (vec![], true));
    assert!(world.session.is_synced());
    assert_eq!(world.next(), None);
}

#[test]
fn a_snapshot_is_cut_into_chunks() {
    let mut world = World::new();
    for name in ["a", "b", "c", "d", "e"] {
        world.put(name, name, 1, &json!({"text": "x".repeat(300)}));
    }
    let chunks: Vec<_> = std::iter::from_fn(|| world.next()).map(objects).collect();
    let names: Vec<String> = chunks.iter().flat_map(|it| it.0.clone()).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    assert_eq!(
        chunks.iter().map(|it| it.1).collect::<Vec<_>>(),
        [false, false, true]
    );
}

#[test]
fn chunks_keep_the_limit_unless_one_object_exceeds_it() {
    let mut world = World::new();
    world.session.terms.spec = 10_000;
    for (name, size) in [("a", 300), ("b", 2_000), ("c", 300), ("d", 300)] {
        world.put(name, name, 1, &json!({"text": "x".repeat(size)}));
    }
    let chunks: Vec<_> = std::iter::from_fn(|| world.next()).collect();
    for kind in &chunks {
        let Kind::Snapshot(chunk) = kind else {
            panic!()
        };
        assert!(
            chunk.encoded_len() <= 1_000 || chunk.objects.len() == 1,
            "{}",
            chunk.encoded_len()
        );
    }
    assert_eq!(chunks.len(), 3);
}

#[test]
fn an_oversized_object_is_sent_without_its_spec() {
    let mut world = World::new();
    world.put("a", "a", 1, &json!({"text": "x".repeat(600)}));
    world.settle();
    let object = &world.hub[&Key::new("ns", "a")];
    assert!(object.spec_json.is_empty() && object.oversized_spec_bytes > 600);
}

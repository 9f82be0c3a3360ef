use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::watch::object::tests::observed;

fn all() -> (Source, Source) {
    (Source::Registrations(None), Source::Namespaces(None))
}

fn index() -> Index {
    let (registrations, namespaces) = all();
    let mut index = Index::new(&[registrations, namespaces.clone()]);
    index.apply_namespace(
        &namespaces,
        "ns",
        Labels::from([("team".to_owned(), "a".to_owned())]),
    );
    index
}

fn simple(name: &str, generation: i64) -> Observed {
    observed("ns", name, &format!("uid-{name}"), generation, json!({}))
}

fn changed(name: &str, wire: bool) -> Vec<Change> {
    vec![Change {
        key: Key::new("ns", name),
        wire,
    }]
}

#[test]
fn a_list_is_complete_when_every_source_is() {
    let (registrations, namespaces) = all();
    let mut index = index();
    index.restart(&registrations);
    index.complete(&registrations);
    assert!(!index.is_complete());
    index.complete(&namespaces);
    assert!(index.is_complete());
    index.restart(&registrations);
    assert!(index.is_complete(), "a later list does not take that back");
}

#[test]
fn only_differences_are_changes() {
    let (registrations, _) = all();
    let mut index = index();
    assert_eq!(
        index.apply(&registrations, simple("a", 1)),
        changed("a", true)
    );
    assert_eq!(index.apply(&registrations, simple("a", 1)), []);
    let mut newer = simple("a", 1);
    newer.resource_version = "other".to_owned();
    assert_eq!(index.apply(&registrations, newer), changed("a", false));
    assert_eq!(
        index.apply(&registrations, simple("a", 2)),
        changed("a", true)
    );
    assert_eq!(index.remove(&Key::new("ns", "a")), changed("a", true));
    assert_eq!(index.remove(&Key::new("ns", "a")), []);
}

#[test]
fn what_a_new_list_does_not_show_is_gone() {
    let (registrations, _) = all();
    let mut index = index();
    for name in ["a", "b", "c"] {
        index.apply(&registrations, simple(name, 1));
    }
    index.restart(&registrations);
    index.apply(&registrations, simple("b", 1));
    assert_eq!(index.len(), 3, "until the list is complete nothing goes");
    assert_eq!(
        index.complete(&registrations),
        [changed("a", true), changed("c", true)].concat()
    );
    assert_eq!(index.keys().collect::<Vec<_>>(), [&Key::new("ns", "b")]);
}

#[test]
fn the_list_of_one_namespace_says_nothing_of_another() {
    let sources = Source::all_of(&["one".to_owned(), "two".to_owned()]);
    assert_eq!(sources.len(), 4);
    let mut index = Index::new(&sources);
    let [one, two] = ["one", "two"].map(|it| Source::Registrations(Some(it.to_owned())));
    index.apply(&one, observed("one", "a", "u1", 1, json!({})));
    index.apply(&two, observed("two", "a", "u2", 1, json!({})));
    index.restart(&one);
    assert_eq!(
        index.complete(&one),
        [Change {
            key: Key::new("one", "a"),
            wire: true
        }]
    );
    assert!(index.observed(&Key::new("two", "a")).is_some());
}

#[test]
fn labels_of_the_namespace_are_joined() {
    let (registrations, namespaces) = all();
    let mut index = index();
    index.apply(&registrations, simple("a", 1));
    let key = Key::new("ns", "a");
    assert_eq!(index.wire(&key).unwrap().namespace_labels["team"], "a");

    let labels = Labels::from([("team".to_owned(), "b".to_owned())]);
    assert_eq!(
        index.apply_namespace(&namespaces, "ns", labels.clone()),
        changed("a", true)
    );
    assert_eq!(index.apply_namespace(&namespaces, "ns", labels), []);
    assert_eq!(index.wire(&key).unwrap().namespace_labels["team"], "b");
}

#[test]
fn an_object_waits_for_its_namespace() {
    let (registrations, namespaces) = all();
    let mut index = Index::new(&[registrations.clone(), namespaces.clone()]);
    index.apply(&registrations, simple("a", 1));
    assert_eq!(index.wire(&Key::new("ns", "a")), None);
    assert_eq!(index.wire_after(None), None);
    assert_eq!(
        index.apply_namespace(&namespaces, "ns", Labels::new()),
        changed("a", true)
    );
    assert!(index.wire(&Key::new("ns", "a")).is_some());
    assert_eq!(index.remove_namespace("ns"), changed("a", true));
    assert_eq!(index.wire(&Key::new("ns", "a")), None);
}

#[test]
fn labels_beyond_all_measure_count_as_none() {
    let (registrations, namespaces) = all();
    let mut index = index();
    index.apply(&registrations, simple("a", 1));
    index.apply_namespace(
        &namespaces,
        "ns",
        Labels::from([("big".to_owned(), "x".repeat(LABELS_MAX))]),
    );
    assert!(
        index
            .wire(&Key::new("ns", "a"))
            .unwrap()
            .namespace_labels
            .is_empty()
    );
}

#[derive(Clone, Debug)]
enum Step {
    Apply(u8, i64),
    Remove(u8),
    List(BTreeSet<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..6_u8, 1..4_i64).prop_map(|(name, generation)| Step::Apply(name, generation)),
        (0..6_u8).prop_map(Step::Remove),
        proptest::collection::btree_set(0..6_u8, 0..6).prop_map(Step::List),
    ];
    proptest::collection::vec(step, 0..40)
}

proptest! {
    /// Whoever only looks at what changed ends up with what is there.
    #[test]
    fn changes_tell_everything(steps in steps()) {
        let (registrations, _) = all();
        let mut index = index();
        let mut copy: BTreeMap<Key, proto::Object> = BTreeMap::new();
        for step in steps {
            let mut changes = Vec::new();
            match step {
                Step::Apply(name, generation) => {
                    changes.extend(index.apply(&registrations, simple(&name.to_string(), generation)));
                }
                Step::Remove(name) => changes.extend(index.remove(&Key::new("ns", name.to_string()))),
                Step::List(names) => {
                    index.restart(&registrations);
                    for name in names {
                        changes.extend(index.apply(&registrations, simple(&name.to_string(), 1)));
                    }
                    changes.extend(index.complete(&registrations));
                }
            }
            for change in changes.into_iter().filter(|it| it.wire) {
                match index.wire(&change.key) {
                    Some(object) => copy.insert(change.key, object),
                    None => copy.remove(&change.key),
                };
            }
            let mut real = BTreeMap::new();
            let mut last = None;
            while let Some((key, object)) = index.wire_after(last.as_ref()) {
                real.insert(key.clone(), object);
                last = Some(key);
            }
            prop_assert_eq!(&copy, &real);
        }
    }
}

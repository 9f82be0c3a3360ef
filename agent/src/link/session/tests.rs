use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    link::terms::tests::welcome,
    watch::{Source, index::Labels, object::tests::observed},
};

mod chunks;
mod received;

const RESNAPSHOT: Duration = Duration::from_mins(15);

fn terms() -> Terms {
    Terms::agree(proto::HubMessage {
        kind: Some(hub_message::Kind::Welcome(welcome())),
    })
    .unwrap()
}

/// An index, and what a hub would know of it.
struct World {
    index: Index,
    session: Session,
    now: Instant,
    hub: BTreeMap<Key, proto::Object>,
    pending: BTreeMap<Key, proto::Object>,
}

impl World {
    fn new() -> Self {
        let mut index = Index::new(&Source::all_of(&[]));
        index.apply_namespace(&Source::Namespaces(None), "ns", Labels::new());
        let now = Instant::now();
        Self {
            index,
            session: Session::new(terms(), RESNAPSHOT, now),
            now,
            hub: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }

    fn put(&mut self, name: &str, uid: &str, generation: i64, spec: &serde_json::Value) {
        let object = observed("ns", name, uid, generation, json!({"spec": spec}));
        let changes = self.index.apply(&Source::Registrations(None), object);
        self.session
            .changed(changes.into_iter().map(|it| it.key).collect());
    }

    fn delete(&mut self, name: &str) {
        let changes = self.index.remove(&Key::new("ns", name));
        self.session
            .changed(changes.into_iter().map(|it| it.key).collect());
    }

    fn next(&mut self) -> Option<Kind> {
        self.session.next(&self.index, self.now)?.kind
    }

    /// The hub's side of the protocol, as `hub.proto` describes it.
    fn deliver(&mut self, kind: Kind) {
        let key = |key: &Option<proto::ObjectKey>| Key::from(key.clone().unwrap());
        match kind {
            Kind::Snapshot(chunk) => {
                self.pending
                    .extend(chunk.objects.into_iter().map(|it| (key(&it.key), it)));
                if chunk.last {
                    self.hub = std::mem::take(&mut self.pending);
                }
            }
            Kind::Changed(changed) => {
                let object = changed.object.unwrap();
                self.hub.insert(key(&object.key), object);
            }
            Kind::Gone(gone) => {
                let removed = self.hub.remove(&key(&gone.key)).unwrap();
                assert_eq!(removed.uid, gone.uid);
            }
            Kind::Hello(_) | Kind::StatusWritten(_) | Kind::Heartbeat(_) => {}
        }
    }

    fn settle(&mut self) {
        while let Some(kind) = self.next() {
            self.deliver(kind);
        }
    }

    fn uids(&self) -> Vec<&str> {
        self.hub.values().map(|it| it.uid.as_str()).collect()
    }
}

fn objects(kind: Kind) -> (Vec<String>, bool) {
    let Kind::Snapshot(chunk) = kind else {
        panic!("{kind:?} is no snapshot")
    };
    (
        chunk
            .objects
            .into_iter()
            .map(|it| it.key.unwrap().name)
            .collect(),
        chunk.last,
    )
}

#[test]
fn hello_names_versions_cluster_and_scope() {
    let Some(Kind::Hello(hello)) = Session::hello("uid", &["a".to_owned()]).kind else {
        panic!()
    };
    assert_eq!((hello.protocol_min, hello.protocol_max), (1, 1));
    assert_eq!(
        (
            hello.cluster_uid.as_str(),
            hello.scope.unwrap().namespaces.len()
        ),
        ("uid", 1)
    );
}

#[test]
fn of_many_changes_only_the_newest_is_sent() {
    let mut world = World::new();
    world.settle();
    for generation in 1..100 {
        world.put("a", "u", generation, &json!({}));
    }
    let Some(Kind::Changed(changed)) = world.next() else {
        panic!()
    };
    assert_eq!(changed.object.unwrap().generation, 99);
    assert_eq!(world.next(), None);
}

#[test]
fn what_comes_and_goes_unseen_is_never_mentioned() {
    let mut world = World::new();
    world.settle();
    world.put("a", "u", 1, &json!({}));
    world.delete("a");
    assert_eq!(world.next(), None);
}

#[test]
fn a_recreated_object_is_gone_before_it_is_new() {
    let mut world = World::new();
    world.put("a", "old", 1, &json!({}));
    world.settle();
    world.delete("a");
    world.put("a", "new", 1, &json!({}));
    let Some(Kind::Gone(gone)) = world.next() else {
        panic!()
    };
    assert_eq!(gone.uid, "old");
    let Some(Kind::Changed(changed)) = world.next() else {
        panic!()
    };
    assert_eq!(changed.object.unwrap().uid, "new");
    assert_eq!(world.next(), None);
}

#[test]
fn changes_wait_for_the_end_of_a_snapshot() {
    let mut world = World::new();
    for name in ["b", "c", "d", "e"] {
        world.put(name, name, 1, &json!({"text": "x".repeat(300)}));
    }
    let first = world.next().unwrap();
    world.deliver(first);
    world.put("a", "behind", 1, &json!({}));
    world.delete("b");
    world.delete("e");
    world.settle();
    assert_eq!(world.uids(), ["behind", "c", "d"]);
}

#[test]
fn an_object_leaves_with_its_namespace() {
    let mut world = World::new();
    world.put("a", "u", 1, &json!({}));
    world.settle();
    let changes = world.index.remove_namespace("ns");
    world
        .session
        .changed(changes.into_iter().map(|it| it.key).collect());
    assert!(matches!(world.next(), Some(Kind::Gone(_))));
}

#[test]
fn heartbeats_fill_silence() {
    let mut world = World::new();
    world.settle();
    let start = world.now;
    assert_eq!(world.session.deadline(), start + Duration::from_secs(20));
    world.now = start + Duration::from_secs(19);
    assert!(!world.session.has_next(world.now));
    assert_eq!(world.next(), None);
    world.now = start + Duration::from_secs(20);
    assert!(world.session.has_next(world.now));
    assert_eq!(world.next(), Some(Kind::Heartbeat(proto::Heartbeat {})));
    assert_eq!(world.next(), None);
}

#[test]
fn a_silent_hub_is_gone() {
    let mut world = World::new();
    let start = world.now;
    assert!(!world.session.is_silent(start + Duration::from_secs(59)));
    assert!(world.session.is_silent(start + Duration::from_mins(1)));
    let beat = proto::HubMessage {
        kind: Some(hub_message::Kind::Heartbeat(proto::Heartbeat {})),
    };
    assert_eq!(
        world.session.receive(beat, start + Duration::from_secs(30)),
        Ok(Incoming::Nothing)
    );
    assert!(!world.session.is_silent(start + Duration::from_mins(1)));
}

#[test]
fn the_snapshot_is_repeated() {
    let mut world = World::new();
    world.put("a", "u", 1, &json!({}));
    world.settle();
    world.now += RESNAPSHOT;
    let Some(Kind::Snapshot(chunk)) = world.next() else {
        panic!()
    };
    assert_eq!(
        (chunk.snapshot, chunk.objects.len(), chunk.last),
        (2, 1, true)
    );
    assert_eq!(world.next(), None);
}

#[test]
fn writes_are_answered_even_during_a_snapshot() {
    let mut world = World::new();
    let written = proto::StatusWritten {
        uid: "u".to_owned(),
        ..proto::StatusWritten::default()
    };
    world.session.wrote(Key::new("ns", "a"), written.clone());
    assert_eq!(world.next(), Some(Kind::StatusWritten(written)));
    assert!(matches!(world.next(), Some(Kind::Snapshot(_))));
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, i64),
    Delete(u8),
    Send,
    Later,
}

proptest! {
    /// Whatever happens while it sends, the hub ends up with what is there.
    #[test]
    fn the_hub_learns_everything(steps in proptest::collection::vec(prop_oneof![
        (0..5_u8, 0..3_u8, 1..4_i64).prop_map(|(name, uid, generation)| Step::Put(name, uid, generation)),
        (0..5_u8).prop_map(Step::Delete),
        Just(Step::Send),
        Just(Step::Later),
    ], 0..60)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Put(name, uid, generation) => {
                    let (name, uid) = (name.to_string(), format!("{name}-{uid}"));
                    world.put(&name, &uid, generation, &json!({"text": "x".repeat(400)}));
                }
                Step::Delete(name) => world.delete(&name.to_string()),
                Step::Send => if let Some(kind) = world.next() {
                    world.deliver(kind);
                },
                Step::Later => world.now += RESNAPSHOT / 2,
            }
        }
        world.settle();
        let real: Vec<String> = world.index.keys().map(|key| world.index.wire(key).unwrap().uid).collect();
        prop_assert_eq!(world.uids(), real);
    }
}

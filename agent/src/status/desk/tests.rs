use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    status::wanted::tests::wanted,
    watch::{Source, object::tests::observed},
};

mod away;
mod release;

struct World {
    index: Index,
    desk: Desk,
    now: Instant,
    versions: u32,
}

impl World {
    fn new() -> Self {
        Self {
            index: Index::new(&Source::all_of(&[])),
            desk: Desk::default(),
            now: Instant::now(),
            versions: 0,
        }
    }

    /// The watch shows an object, in a new version.
    fn show(&mut self, uid: &str, generation: i64, more: Value) -> String {
        self.versions += 1;
        let mut object = observed("ns", "a", uid, generation, more);
        object.resource_version = self.versions.to_string();
        self.index.apply(&Source::Registrations(None), object);
        self.desk.touch(key());
        self.versions.to_string()
    }

    fn vanish(&mut self) {
        self.index.remove(&key());
        self.desk.touch(key());
    }

    fn next(&mut self) -> Option<Job> {
        self.desk.next(&self.index, self.now)
    }

    fn done(&mut self, job: &Job, outcome: Outcome) {
        self.desk.done(job, outcome, self.now);
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn is_clean(&self) -> bool {
        self.desk.slots.is_empty() && self.desk.queue.is_empty()
    }
}

fn key() -> Key {
    Key::new("ns", "a")
}

fn status(text: &str) -> Value {
    json!({"observedGeneration": 1, "text": text})
}

fn ready(reason: &str, generation: i64) -> Value {
    let holds = if reason == "Registered" {
        "True"
    } else {
        "False"
    };
    json!({"status": {"conditions": [
        {"type": "Ready", "status": holds, "reason": reason, "observedGeneration": generation},
    ]}})
}

fn leaving(more: Value) -> Value {
    let mut object = json!({"metadata": {
        "deletionTimestamp": "2026-01-02T03:04:05Z",
        "finalizers": [flyte_registration_crd::FINALIZER],
    }});
    if let Value::Object(more) = more {
        object.as_object_mut().unwrap().extend(more);
    }
    object
}

#[test]
fn a_wanted_status_is_written_and_answered() {
    let mut world = World::new();
    let version = world.show("u", 1, json!({}));
    world.desk.want(key(), wanted("u", 1, &status("x")));
    let job = world.next().unwrap();
    assert_eq!((&job.resource_version, job.uid.as_str()), (&version, "u"));
    assert_eq!(world.next(), None, "one job of an object at a time");
    world.done(&job, Outcome::Done("2".to_owned()));
    let (_, written) = &world.desk.take_written()[0];
    assert_eq!(written.status_hash, wanted("u", 1, &status("x")).hash);
    world.show("u", 1, json!({"status": status("x")}));
    assert_eq!(world.next(), None);
    assert!(world.is_clean());
}

#[test]
fn what_is_there_is_answered_without_a_write() {
    let mut world = World::new();
    world.show("u", 1, json!({"status": status("x")}));
    world.desk.want(key(), wanted("u", 1, &status("x")));
    assert_eq!(world.next(), None);
    assert_eq!(world.desk.take_written().len(), 1);
    assert!(world.is_clean());
}

#[test]
fn the_status_of_an_old_uid_is_never_written() {
    let mut world = World::new();
    world.show("old", 1, json!({}));
    world.desk.want(key(), wanted("old", 1, &status("x")));
    world.show("new", 1, json!({}));
    assert_eq!(world.next(), None);
    world.show("old", 1, json!({}));
    assert_eq!(world.next(), None, "what was stale once is forgotten");
    assert!(world.is_clean());
}

#[test]
fn a_status_for_what_the_watch_has_not_shown_waits() {
    let mut world = World::new();
    world.show("u", 1, json!({}));
    world.desk.want(key(), wanted("u", 2, &status("x")));
    assert_eq!(world.next(), None);
    world.show("u", 2, json!({}));
    assert!(matches!(world.next().unwrap().task, Task::Write(_)));
}

#[test]
fn after_a_conflict_the_watch_decides() {
    let mut world = World::new();
    world.show("u", 1, json!({}));
    world.desk.want(key(), wanted("u", 1, &status("x")));
    let job = world.next().unwrap();
    world.done(&job, Outcome::Conflict);
    world.desk.touch(key());
    assert_eq!(world.next(), None, "nothing new is known");
    let version = world.show("u", 1, json!({"metadata": {"labels": {"a": "b"}}}));
    let again = world.next().unwrap();
    assert_eq!(again.resource_version, version);
    world.done(&again, Outcome::Conflict);
    world.show("u", 2, json!({}));
    assert_eq!(
        world.next(),
        None,
        "the generation that it was for is no more"
    );
    assert!(world.is_clean());
}

#[test]
fn a_watch_that_shows_nothing_does_not_hold_a_write_for_ever() {
    let mut world = World::new();
    world.show("u", 1, json!({}));
    world.desk.want(key(), wanted("u", 1, &status("x")));
    let job = world.next().unwrap();
    world.done(&job, Outcome::Conflict);
    assert_eq!(world.next(), None);
    assert_eq!(world.desk.deadline(), Some(world.now + WATCH_LAG));
    world.later(10);
    assert!(world.next().is_some());
}

#[test]
fn the_next_status_waits_until_the_watch_has_shown_the_last() {
    let mut world = World::new();
    world.show("u", 1, json!({}));
    world.desk.want(key(), wanted("u", 1, &status("x")));
    let job = world.next().unwrap();
    world.desk.want(key(), wanted("u", 1, &status("y")));
    world.desk.want(key(), wanted("u", 1, &status("z")));
    world.done(&job, Outcome::Done("2".to_owned()));
    assert_eq!(world.next(), None);
    world.show("u", 1, json!({"status": status("x")}));
    let Task::Write(last) = world.next().unwrap().task else {
        panic!()
    };
    assert_eq!(last.value(), status("z"), "only the newest is written");
}

#[test]
fn a_write_that_changed_nothing_waits_for_nothing() {
    let mut world = World::new();
    let version = world.show("u", 1, json!({}));
    world.desk.want(key(), wanted("u", 1, &status("x")));
    let job = world.next().unwrap();
    world.done(&job, Outcome::Done(version));
    world.desk.want(key(), wanted("u", 1, &status("y")));
    assert!(world.next().is_some());
}

#[test]
fn failures_are_repeated_with_growing_delays() {
    let mut world = World::new();
    world.show("u", 1, json!({}));
    world.desk.want(key(), wanted("u", 1, &status("x")));
    let mut delays = Vec::new();
    for _ in 0..9 {
        let job = world.next().unwrap();
        world.done(&job, Outcome::Failed);
        world.desk.touch(key());
        assert_eq!(world.next(), None, "a change does not shorten the delay");
        let deadline = world.desk.deadline().unwrap();
        delays.push(deadline.duration_since(world.now).as_millis());
        world.now = deadline;
    }
    assert_eq!(
        delays,
        [
            500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000
        ]
    );
    let job = world.next().unwrap();
    world.done(&job, Outcome::Done("2".to_owned()));
    world.show("u", 1, json!({"status": status("x")}));
    assert_eq!(world.next(), None);
    assert!(world.is_clean());
}

#[test]
fn an_object_that_is_gone_is_forgotten() {
    let mut world = World::new();
    world.show("u", 1, json!({}));
    world.desk.want(key(), wanted("u", 1, &status("x")));
    let job = world.next().unwrap();
    world.done(&job, Outcome::Gone);
    assert_eq!(world.next(), None);
    world.vanish();
    assert_eq!(world.next(), None);
    assert!(world.is_clean());
}

#[test]
fn one_object_that_fails_holds_no_other() {
    let mut world = World::new();
    let source = Source::Registrations(None);
    for name in ["a", "b"] {
        world
            .index
            .apply(&source, observed("ns", name, name, 1, json!({})));
        world
            .desk
            .want(Key::new("ns", name), wanted(name, 1, &status("x")));
    }
    let first = world.next().unwrap();
    world.done(&first, Outcome::Failed);
    assert_eq!(world.next().unwrap().key.name, "b");
    assert_eq!(world.next(), None);
}

proptest! {
    /// An API server that checks versions, and a desk that races with a tenant: what is
    /// written is always for the uid and generation that are there, and the last status that
    /// the hub wanted for them ends up there.
    #[test]
    fn the_last_word_for_what_is_there_wins(steps in proptest::collection::vec(0..7_u8, 1..60)) {
        let mut world = World::new();
        let (mut uid, mut generation, mut real) = (1, 1, json!({}));
        // The hub knows of what the watch has shown, and of nothing else.
        let mut known = (1, 1);
        let mut version = world.show("1", 1, json!({}));
        let mut last: Option<Wanted> = None;
        let mut running: Option<Job> = None;
        let shown = |world: &mut World, uid: i64, generation: i64, real: &Value| {
            world.show(&uid.to_string(), generation, json!({"status": real}))
        };
        for (at, step) in steps.into_iter().chain([6, 5, 4, 6, 5, 4, 6, 5, 4]).enumerate() {
            match step {
                0 => generation += 1,
                1 => (uid, generation, real) = (uid + 1, 1, json!({})),
                2 | 3 => {
                    let wish = wanted(&known.0.to_string(), known.1, &json!({"at": at}));
                    world.desk.want(key(), wish.clone());
                    last = Some(wish);
                    continue;
                }
                4 => {
                    version = shown(&mut world, uid, generation, &real);
                    known = (uid, generation);
                    continue;
                }
                5 => {
                    let Some(job) = running.take() else { continue };
                    let Task::Write(wish) = &job.task else { panic!() };
                    // The server's version is outdated as soon as uid or generation changed.
                    let fresh = job.resource_version == version
                        && (job.uid.clone(), job.generation) == (uid.to_string(), generation);
                    if fresh {
                        prop_assert_eq!((&wish.uid, wish.generation), (&job.uid, generation));
                        real = wish.value();
                        version = format!("{version}+");
                        let done = Outcome::Done(version.clone());
                        world.done(&job, done);
                    } else {
                        world.done(&job, Outcome::Conflict);
                    }
                    continue;
                }
                _ => {
                    running = running.or_else(|| world.next());
                    continue;
                }
            }
            version = format!("{version}+");
        }
        if let Some(last) = last.filter(|it| (it.uid.clone(), it.generation) == (uid.to_string(), generation)) {
            prop_assert_eq!(real, last.value());
        }
    }
}

//! Who lets go what is being deleted.

use super::*;

#[test]
fn the_agent_lets_go_what_the_hub_has_no_work_with() {
    let mut world = World::new();
    world.show("u", 2, leaving(json!({})));
    let job = world.next().unwrap();
    assert_eq!(job.task, Task::Release);
    world.done(&job, Outcome::Gone);
    assert_eq!(world.next(), None, "the watch will show that it is gone");
    world.vanish();
    assert_eq!(world.next(), None);
    assert!(world.is_clean());
}

#[test]
fn only_the_hub_lets_go_what_is_to_be_deactivated() {
    let mut world = World::new();
    let deactivate = json!({"spec": {"deletionPolicy": "Deactivate"}});
    world.show("u", 1, deactivate.clone());
    world.desk.release(key(), "u".to_owned());
    assert_eq!(world.next(), None, "it is not being deleted");

    world.show("u", 2, leaving(deactivate));
    assert_eq!(
        world.next(),
        None,
        "and a release from before does not count"
    );
    world.desk.release(key(), "other".to_owned());
    assert_eq!(world.next(), None);
    world.desk.release(key(), "u".to_owned());
    assert_eq!(world.next().unwrap().task, Task::Release);
}

#[test]
fn foreign_finalizers_are_none_of_our_business() {
    let mut world = World::new();
    world.show("u", 2, json!({"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z", "finalizers": ["other/one"]}}));
    world.desk.release(key(), "u".to_owned());
    assert_eq!(world.next(), None);
    assert!(world.is_clean());
}

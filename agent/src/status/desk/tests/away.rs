//! What waiting resources show while there is no session.

use super::*;

#[test]
fn tenants_that_wait_are_told_that_the_hub_is_away() {
    let mut world = World::new();
    world.show("u", 1, json!({}));
    assert_eq!(world.next(), None);
    world.desk.set_away(Some(Away::Unreachable), &world.index);
    let told = |away: Away| {
        let mut status = ready("HubUnreachable", 1);
        status["status"]["conditions"][0]["message"] = away.message().into();
        status
    };
    let job = world.next().unwrap();
    assert_eq!(job.task, Task::Overlay(Away::Unreachable));
    world.done(&job, Outcome::Done("2".to_owned()));
    world.show("u", 1, told(Away::Unreachable));
    assert_eq!(world.next(), None, "once is enough");

    world.desk.set_away(Some(Away::Refusing), &world.index);
    let job = world.next().expect("it is another matter now");
    assert_eq!(job.task, Task::Overlay(Away::Refusing));
    world.done(&job, Outcome::Done("3".to_owned()));
    world.show("u", 1, told(Away::Refusing));
    assert_eq!(world.next(), None);

    world.show("u", 2, told(Away::Refusing));
    assert_eq!(
        world.next().unwrap().task,
        Task::Overlay(Away::Refusing),
        "but a new generation waits anew"
    );
}

#[test]
fn who_does_not_wait_is_left_alone_while_the_hub_is_away() {
    let mut world = World::new();
    world.desk.set_away(Some(Away::Unreachable), &world.index);
    for settled in [
        ready("Registered", 1),
        ready("Suspended", 1),
        leaving(json!({"spec": {"deletionPolicy": "Deactivate"}})),
    ] {
        world.show("u", 1, settled);
        assert_eq!(world.next(), None);
    }
    world.show("u", 1, ready("PackageNotFound", 1));
    world.desk.set_away(None, &world.index);
    assert_eq!(world.next(), None, "nor is anybody once it is back");
}

#[test]
fn the_hubs_last_word_is_written_before_it_is_laid_over() {
    let mut world = World::new();
    world.show("u", 1, json!({}));
    world
        .desk
        .want(key(), wanted("u", 1, &ready("Registered", 1)["status"]));
    world.desk.set_away(Some(Away::Unreachable), &world.index);
    let job = world.next().unwrap();
    assert!(matches!(job.task, Task::Write(_)));
    world.done(&job, Outcome::Done("2".to_owned()));
    world.show("u", 1, ready("Registered", 1));
    assert_eq!(world.next(), None);
}

#[test]
fn an_overlay_that_does_not_stick_is_not_repeated_at_once() {
    let mut world = World::new();
    let version = world.show("u", 1, json!({}));
    world.desk.set_away(Some(Away::Unreachable), &world.index);
    let job = world.next().unwrap();
    world.done(&job, Outcome::Done(version));
    assert_eq!(world.next(), None);
    world.later(1);
    assert!(world.next().is_some());
}

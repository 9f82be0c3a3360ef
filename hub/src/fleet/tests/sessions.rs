//! Sessions of agents, and what they may say.

use super::*;

#[test]
fn a_late_gone_of_the_old_one_does_not_touch_the_new_one() {
    let mut hub = Hub::new();
    hub.changed(proto::Object {
        uid: "uid-new".to_owned(),
        ..object("a", 1, &spec())
    });
    let key = Key {
        namespace: "data-a".to_owned(),
        name: "a".to_owned(),
    };
    hub.say(Up::Gone(key.clone(), "uid-old".to_owned()));
    assert_eq!(hub.fleet.census().len(), 1);
    hub.say(Up::Gone(key, "uid-new".to_owned()));
    assert!(hub.fleet.census().is_empty() && hub.take().is_none());
}

#[test]
fn what_a_snapshot_does_not_hold_is_forgotten() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    hub.changed(object("b", 1, &spec()));
    hub.connect();
    let chunk = |name: &str, last| {
        let objects = vec![Observed::from_proto(object(name, 1, &spec())).unwrap()];
        Up::Snapshot {
            number: 1,
            objects,
            last,
        }
    };
    hub.say(chunk("b", false));
    hub.say(Up::Changed(
        Key {
            namespace: "data-a".to_owned(),
            name: "c".to_owned(),
        },
        Box::new(Observed::from_proto(object("c", 1, &spec())).unwrap().1),
    ));
    assert_eq!(
        hub.fleet.census().values().sum::<u64>(),
        3,
        "an unfinished snapshot says nothing of the rest"
    );
    hub.say(Up::Snapshot {
        number: 1,
        objects: Vec::new(),
        last: true,
    });
    let names: Vec<String> = hub.told().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "c"]);
}

#[test]
fn a_newer_session_fences_the_older_and_is_told_what_differs() {
    let mut hub = Hub::new();
    let plain = object("a", 1, &spec());
    hub.changed(plain.clone());
    let old = hub.session;
    let queued = hub.status();
    hub.connect();
    assert_eq!(
        hub.fleet.tell(EAST, old, 1, hub.now),
        Err(Refused::Superseded)
    );
    let late = hub
        .fleet
        .receive(&hub.cluster.clone(), old, Up::Heartbeat, hub.now);
    assert_eq!(late, Err(Refused::Superseded));
    hub.fleet.close(EAST, old);
    assert_eq!(hub.fleet.connected(), 1);
    hub.changed(showing(&plain, &queued));
    assert!(hub.told().is_empty(), "it shows what it should");
    hub.connect();
    hub.changed(plain);
    assert_eq!(hub.status(), queued);
}

#[test]
fn another_cluster_under_the_same_name_is_refused() {
    let mut hub = Hub::new();
    let refused = hub
        .fleet
        .open(&hub.cluster, "another-uid", Uuid::from_u128(99));
    assert_eq!(refused, Err(Refused::OtherCluster));
    assert!(
        hub.fleet.tell(EAST, hub.session, 1, hub.now).is_ok(),
        "the first one's session stands"
    );
}

#[test]
fn resources_over_the_limit_are_told_so_and_let_in_when_others_go() {
    let mut hub = Hub::new();
    for name in ["a", "b", "c"] {
        hub.changed(object(name, 1, &spec()));
    }
    hub.told();
    hub.changed(object("d", 1, &spec()));
    let status = hub.status();
    assert_eq!(conditions(&status), "False/False/True Denied");
    assert!(status.to_string().contains("more than 3 resources"));
    let key = Key {
        namespace: "data-a".to_owned(),
        name: "b".to_owned(),
    };
    hub.say(Up::Gone(key, "uid-b".to_owned()));
    assert_eq!(conditions(&hub.status()), "Unknown/True/False Queued");

    for name in ["e", "f", "g"] {
        hub.changed(object(name, 1, &spec()));
    }
    let (key, observed) = Observed::from_proto(object("h", 1, &spec())).unwrap();
    let refused = hub.fleet.receive(
        &hub.cluster.clone(),
        hub.session,
        Up::Changed(key, Box::new(observed)),
        hub.now,
    );
    assert_eq!(refused, Err(Refused::TooManyObjects));
}

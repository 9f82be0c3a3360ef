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
fn nothing_is_left_of_another_cluster_under_the_same_name() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let job = hub.take().unwrap();
    hub.connect_as("another-uid", &[]);
    assert!(hub.fleet.census().is_empty());
    hub.finish(&job, success());
    assert!(hub.told().is_empty() && hub.take().is_none());
}

#[test]
fn nobody_works_for_an_agent_that_is_not_known_any_more() {
    let mut hub = Hub::new();
    hub.changed(object("a", 1, &spec()));
    let (cluster, session) = (hub.cluster.clone(), hub.session);
    hub.fleet.expel(&cluster, Uuid::from_u128(99), hub.now);
    assert_eq!(hub.fleet.connected(), 1, "that is another session");
    hub.fleet.expel(&cluster, session, hub.now);
    assert_eq!(hub.fleet.connected(), 0);
    assert!(hub.fleet.census().is_empty() && hub.take().is_none());

    hub.connect();
    hub.changed(object("a", 1, &spec()));
    hub.fleet.keep_clusters(|name| name == EAST, hub.now);
    assert_eq!(hub.fleet.census().len(), 1);
    hub.fleet.keep_clusters(|_| false, hub.now);
    assert!(hub.fleet.census().is_empty() && hub.take().is_none());
    let late = hub
        .fleet
        .receive(&cluster, hub.session, Up::Heartbeat, hub.now);
    assert_eq!(late, Err(Refused::Superseded));
}

/// Whatever it calls its resources: those of others are not touched, and their receipts are not its own.
#[test]
fn an_agent_speaks_of_its_own_cluster_alone() {
    let mut hub = Hub::new();
    let everybody = Tenant {
        clusters: vec![Glob::try_from("*".to_owned()).unwrap()],
        ..tenant(&["data-*"])
    };
    hub.fleet
        .replace_policy(policy_of(everybody, "1"), &Changed::default(), hub.now);
    let (plain, status) = hub.registered();
    let shown = showing(&plain, &status);
    hub.changed(shown.clone());
    let (east, session) = (hub.cluster.clone(), hub.session);

    hub.cluster = "west".into();
    hub.connect();
    let as_east = hub
        .fleet
        .receive(&east, hub.session, Up::Heartbeat, hub.now);
    assert_eq!(as_east, Err(Refused::Superseded));
    hub.changed(shown.clone());
    let job = hub
        .take()
        .expect("the receipt is that of another cluster's");
    assert_eq!(&*job.origin.id.cluster, "west");
    let key = Key {
        namespace: "data-a".to_owned(),
        name: "a".to_owned(),
    };
    hub.say(Up::Written {
        key: key.clone(),
        uid: plain.uid.clone(),
        generation: 1,
        hash: vec![9; 32],
    });
    hub.changed(proto::Object {
        deleting: true,
        finalizer: true,
        ..shown
    });
    hub.say(Up::Gone(key, plain.uid));
    hub.say(Up::Snapshot {
        number: 1,
        objects: Vec::new(),
        last: true,
    });

    (hub.cluster, hub.session) = (east, session);
    assert!(hub.told().is_empty() && hub.take().is_none());
    let census: Vec<_> = hub.fleet.census().into_keys().collect();
    assert_eq!(census, [(EAST.into(), Some(Reason::Registered))]);
}

#[test]
fn an_agent_speaks_of_its_own_scope_alone() {
    let (_, observed) = Observed::from_proto(object("a", 1, &spec())).unwrap();
    let key = |namespace: &str| Key {
        namespace: namespace.to_owned(),
        name: "a".to_owned(),
    };
    let about = |namespace: &str| {
        [
            Up::Changed(key(namespace), Box::new(observed.clone())),
            Up::Gone(key(namespace), "uid-a".to_owned()),
            Up::Written {
                key: key(namespace),
                uid: "uid-a".to_owned(),
                generation: 1,
                hash: Vec::new(),
            },
            Up::Snapshot {
                number: 1,
                objects: vec![
                    (key("data-a"), observed.clone()),
                    (key(namespace), observed.clone()),
                ],
                last: true,
            },
        ]
    };
    let mut hub = Hub::new();
    hub.connect_as("uid-of-kube-system", &["data-a", "data-b"]);
    for up in about("data-b") {
        hub.say(up);
    }
    let before = hub.fleet.census();
    for namespace in ["data-c", "data-", "DATA-A"] {
        for up in about(namespace) {
            let refused = hub
                .fleet
                .receive(&hub.cluster.clone(), hub.session, up, hub.now);
            assert_eq!(refused, Err(Refused::OutOfScope));
        }
    }
    assert_eq!(hub.fleet.census(), before);
    hub.say(Up::Heartbeat);
    hub.connect();
    hub.say(Up::Changed(key("data-c"), Box::new(observed)));
}

#[test]
fn scopes_are_bounded() {
    for namespaces in [
        vec![String::new()],
        vec!["x".repeat(64)],
        vec!["x".to_owned(); 10_001],
    ] {
        assert!(Scope::from_proto(Some(proto::Scope { namespaces })).is_err());
    }
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

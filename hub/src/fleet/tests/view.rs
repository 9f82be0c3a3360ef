//! Looking at the index.

use std::collections::BTreeMap;

use super::*;
use crate::fleet::view::Wanted;

/// A fleet without a limit that matters here.
fn hub_with(count: usize) -> Hub {
    let mut hub = Hub::new();
    hub.fleet.settings.max_objects = count;
    for index in 0..count {
        let mut spec = spec();
        if index % 2 == 1 {
            spec["workflowProject"] = json!("other");
        }
        hub.changed(object(&format!("r{index:05}"), 1, &spec));
    }
    hub.record();
    hub
}

fn all(hub: &Hub, wanted: &Wanted, limit: usize) -> (Vec<String>, usize) {
    let (mut names, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = hub.fleet.registrations(wanted, after.as_ref(), limit);
        assert!(page.items.len() <= limit);
        names.extend(page.items.into_iter().map(|item| item.id.key.name));
        pages += 1;
        after = page.next;
        if after.is_none() {
            return (names, pages);
        }
    }
}

#[test]
fn pages_hold_every_resource_once() {
    let hub = hub_with(25);
    let (names, pages) = all(&hub, &Wanted::default(), 10);
    let expected: Vec<String> = (0..25).map(|index| format!("r{index:05}")).collect();
    assert_eq!((names, pages), (expected, 3));
}

#[test]
fn filters_let_pass_what_is_wanted() {
    let hub = hub_with(10);
    let count = |wanted: Wanted| all(&hub, &wanted, 3).0.len();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        count(Wanted {
            project: text("other"),
            ..Wanted::default()
        }),
        5
    );
    assert_eq!(
        count(Wanted {
            reason: Some(Reason::Denied),
            ..Wanted::default()
        }),
        5
    );
    assert_eq!(
        count(Wanted {
            reason: Some(Reason::Queued),
            project: text("other"),
            ..Wanted::default()
        }),
        0
    );
    assert_eq!(
        count(Wanted {
            cluster: text(EAST),
            namespace: text("data-a"),
            ..Wanted::default()
        }),
        10
    );
    assert_eq!(
        count(Wanted {
            cluster: text("west"),
            ..Wanted::default()
        }),
        0
    );
    assert_eq!(
        count(Wanted {
            namespace: text("data-b"),
            ..Wanted::default()
        }),
        0
    );
}

/// However many there are and however few are wanted, one look is short.
#[test]
fn one_look_goes_over_a_part_of_the_index() {
    let hub = hub_with(5000);
    let rare = Wanted {
        reason: Some(Reason::Suspended),
        ..Wanted::default()
    };
    let page = hub.fleet.registrations(&rare, None, 10);
    assert!(page.items.is_empty());
    assert_eq!(page.next.unwrap().key.name, "r01999");
    assert_eq!(all(&hub, &rare, 10), (Vec::new(), 3));
}

#[test]
fn clusters_say_who_is_connected_and_what_they_have() {
    let mut hub = hub_with(4);
    let (session, now) = (hub.session, hub.now);
    hub.fleet.greeted(EAST, session, "1.2.3", now);
    hub.pass(Duration::from_secs(7));
    hub.say(Up::Heartbeat);
    assert_eq!(hub.fleet.cluster_names(), [EAST.into()]);
    let cluster = hub.fleet.cluster(EAST).unwrap();
    assert!(cluster.connected);
    assert_eq!(cluster.agent_version, "1.2.3");
    assert_eq!(cluster.last_seen, Some(hub.now.wall));
    let expected = BTreeMap::from([(Some(Reason::Queued), 2), (Some(Reason::Denied), 2)]);
    assert_eq!(cluster.resources, expected);
    hub.fleet.close(EAST, session);
    assert!(!hub.fleet.cluster(EAST).unwrap().connected);
    assert_eq!(hub.fleet.cluster("west"), None);
}
